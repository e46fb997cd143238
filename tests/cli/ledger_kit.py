"""What the tests of `baler verify --ledger` share: a data folder after real work, copies of it to break, the judge's answer."""
import json
import pathlib
import shutil
import sqlite3

import boto3
import pytest
from botocore.config import Config

from consuming import LANDING, World

FILES = {f"data/f{i:02}": f"file {i} ".encode() * (i + 1) for i in range(12)}
FILES["data/f12"] = bytes(i * i // 7 % 251 for i in range(200000))  # in a file of its own
FUNCTION = "data-aggregator-processor-dev"


class Ledger(World):
    """A server with the means to judge a folder."""

    def folder(self):
        return pathlib.Path(self.server.folder) / "data"

    def audit(self, folder, *options, codes=(0, 1)):
        """(exit code, the answer)."""
        answer = self.baler("verify", "--ledger", "--data", folder, "--json", *options)
        assert answer.returncode in codes, (answer.returncode, answer.stderr)
        found = json.loads(answer.stdout)
        assert found["complete"] and found["n_findings"] == len(found["findings"])
        return answer.returncode, found

    def invoke(self, keys):
        """A direct invocation; the key of the bundle it made."""
        client = boto3.client("lambda", endpoint_url=self.server.endpoint, region_name="us-east-1",
                              aws_access_key_id=self.server.access_key, aws_secret_access_key=self.server.secret_key,
                              config=Config(retries={"max_attempts": 1, "mode": "standard"}))
        records = []
        for key in keys:
            head = self.s3.head_object(Bucket=LANDING, Key=key)
            records.append({"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {
                "bucket": {"name": LANDING}, "object": {"key": key, "size": head["ContentLength"],
                                                        "versionId": head["VersionId"], "eTag": head["ETag"].strip('"')}}})
        answer = client.invoke(FunctionName=FUNCTION,
                               Payload=json.dumps({"e2e_test_direct_invoke": True, "records": records}))
        payload = json.load(answer["Payload"])
        assert "FunctionError" not in answer, payload
        return payload


@pytest.fixture(scope="module", name="world")
def one_server(tmp_path_factory):
    running = Ledger(tmp_path_factory.mktemp("ledger") / "s")
    yield running
    running.close()


@pytest.fixture(scope="module", name="original")
def a_folder_after_work(world):
    """Two bundles or more, published and not taken; the server has stopped."""
    names = sorted(FILES)
    for part in (names[:6], names[6:]):
        before = len(world.keys())
        for key in part:
            world.put(key, FILES[key])
        world.bundles(before + 1)
    world.wait_until_quiet(len(FILES))
    live = world.audit(world.folder())
    assert live[0] == 0 and live[1]["versions"] == len(FILES), live
    world.close()
    return world.folder()


@pytest.fixture(name="folder")
def a_copy(original, tmp_path):
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy"


def change(folder, *statements):
    database = sqlite3.connect(folder / "baler.db")
    for statement in statements:
        assert database.execute(statement).rowcount >= 1, statement
    database.commit()
    database.close()


def kinds(found):
    return {(f["kind"], f["invariant"]) for f in found["findings"]}
