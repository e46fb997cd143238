"""What the tests of the operator's commands share: a server, its client, `baler` with its credentials."""
import json
import os
import pathlib
import subprocess
import sys
import time

import boto3
from botocore.config import Config

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from server import ROOT, Server  # noqa: E402

BINARY = os.environ.get("BALER_BIN", str(ROOT / "build/src/cli/baler"))
LANDING, DISTRIBUTION = "data-aggregator-landing-dev", "data-aggregator-distribution-dev"


class Baler:
    """A running server with an S3 client and the commands pointed at it."""

    def __init__(self, folder, *options):
        self.server = Server("--batch-window", "300ms", *options, data=str(folder))
        self.s3 = boto3.client(
            "s3", endpoint_url=self.server.endpoint, region_name="us-east-1",
            aws_access_key_id=self.server.access_key, aws_secret_access_key=self.server.secret_key,
            config=Config(retries={"max_attempts": 1, "mode": "standard"}))

    def environment(self, **variables):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        environment.update(
            AWS_ENDPOINT_URL=self.server.endpoint, AWS_ACCESS_KEY_ID=self.server.access_key,
            AWS_SECRET_ACCESS_KEY=self.server.secret_key, AWS_REGION="us-east-1",
            AWS_CONFIG_FILE="/nonexistent", AWS_SHARED_CREDENTIALS_FILE="/nonexistent")
        environment.update(variables)
        return environment

    def run(self, *words, text=True, stdin=None, **variables):
        return subprocess.run([BINARY, *words], env=self.environment(**variables), capture_output=True, text=text,
                              input=stdin, timeout=60, check=False)

    def json(self, *words, code=0):
        answer = self.run(*words, "--json")
        assert answer.returncode == code, answer.stderr
        return json.loads(answer.stdout)

    def put(self, key, body=b"x" * 100, bucket=LANDING):
        return self.s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]

    def wait(self, condition, seconds=20):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            value = condition()
            if value:
                return value
            time.sleep(0.1)
        raise AssertionError("it did not happen:\n" + self.server.log_tail())

    def bundles(self):
        page = self.s3.list_objects_v2(Bucket=DISTRIBUTION)
        return [o["Key"] for o in page.get("Contents", [])]

    def dead_letters(self):
        return self.json("deadletter", "list")

    def stop(self):
        if self.server.process.poll() is None:
            assert self.server.stop() == 0, self.server.log_tail()
