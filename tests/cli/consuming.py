"""For the tests of the consumer's commands: a server that bundles, the commands run against it, bundles made by hand."""
import gzip
import hashlib
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import time

import boto3
from botocore.config import Config

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from server import ROOT, Server  # noqa: E402

BINARY = os.environ.get("BALER_BIN", str(ROOT / "build/src/cli/baler"))
LANDING, DISTRIBUTION, ARCHIVE = (f"data-aggregator-{role}-dev" for role in ("landing", "distribution", "archive"))


class World:
    def __init__(self, folder, *options):
        self.server = Server("--batch-window", "200ms", *options, data=str(folder))
        keys = {"aws_access_key_id": self.server.access_key, "aws_secret_access_key": self.server.secret_key}
        self.s3 = boto3.client("s3", endpoint_url=self.server.endpoint, region_name="us-east-1", **keys,
                               config=Config(retries={"max_attempts": 1, "mode": "standard"}, max_pool_connections=16))
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "BALER_", "DISTRIBUTION_"))}
        self.environment.update({k.upper(): v for k, v in keys.items()}, AWS_ENDPOINT_URL=self.server.endpoint,
                                AWS_REGION="us-east-1", HOME=str(folder))

    def close(self):
        if self.server.process.poll() is None:
            assert self.server.stop() == 0, self.server.log_tail()

    def start(self, *words):
        return subprocess.Popen([BINARY, *map(str, words)], env=self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def baler(self, *words, timeout=60):
        return subprocess.run([BINARY, *map(str, words)], env=self.environment, capture_output=True, text=True,
                              timeout=timeout, check=False)

    def keys(self, bucket=DISTRIBUTION):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def put(self, key, body):
        self.s3.put_object(Bucket=LANDING, Key=key, Body=body)

    def bundles(self, at_least=1, give_up_s=20):
        """The keys of the bundles, once there are so many."""
        deadline = time.monotonic() + give_up_s
        while len(self.keys()) < at_least:
            assert time.monotonic() < deadline, f"{len(self.keys())} of {at_least} bundles:\n{self.server.log_tail()}"
            time.sleep(0.1)
        return self.keys()

    def wait_until_quiet(self, expected, give_up_s=40):
        """Until the bundles that are there hold so many members in all."""
        deadline = time.monotonic() + give_up_s
        while sum(len(self.members(key)) for key in self.keys()) < expected:
            assert time.monotonic() < deadline, self.server.log_tail()
            time.sleep(0.2)

    def members(self, key):
        body = self.s3.get_object(Bucket=DISTRIBUTION, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
            return tar.getnames()

    def publish(self, key, body, bucket=DISTRIBUTION, **metadata):
        """A bundle that baler did not make."""
        metadata = {"content-sha256": hashlib.sha256(body).hexdigest()} | metadata
        self.s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/gzip",
                           Metadata={k.replace("_", "-"): v for k, v in metadata.items()})


def bundle(files, **odd):
    """A tar.gz of {name: bytes}; odd: name=TarInfo attributes, for members baler never makes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
        for name, attributes in odd.items():
            info = tarfile.TarInfo(name)
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            tar.addfile(info)
    return gzip.compress(out.getvalue(), mtime=0)


def files_in(folder):
    """{path below folder: bytes}, without pull's own folder; links are not followed."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        name = path.relative_to(folder)
        if name.parts[0] != ".baler-pull" and path.is_file() and not path.is_symlink():
            found[str(name)] = path.read_bytes()
    return found
