"""The consumer's commands against an S3 that is not ours (moto): one journey each, with AWS's own regions, ETags and listings."""
import hashlib
import json
import os
import subprocess

import boto3
import pytest
from moto.server import ThreadedMotoServer

from consuming import BINARY, bundle, files_in

DISTRIBUTION, ARCHIVE = "foreign-distribution", "foreign-archive"
REGION = "eu-central-1"
FILES = {f"data/{i} é+=&.bin": os.urandom(1000 * i) for i in range(5)}


def key(number):
    return f"2026/11/23/11/bundle-{number:032x}.tar.gz"


@pytest.fixture(scope="module", name="endpoint")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Store:
    def __init__(self, endpoint, home):
        keys = {"aws_access_key_id": "foreign", "aws_secret_access_key": "secret"}
        self.s3 = boto3.client("s3", endpoint_url=endpoint, region_name=REGION, **keys)
        self.environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "AWS_ENDPOINT_URL_S3": endpoint, "AWS_REGION": "us-east-1",
                            "DISTRIBUTION_BUCKET_NAME": DISTRIBUTION} | {k.upper(): v for k, v in keys.items()}

    def publish(self, name, body, bucket=DISTRIBUTION):
        self.s3.put_object(Bucket=bucket, Key=name, Body=body, ContentType="application/gzip",
                           Metadata={"content-sha256": hashlib.sha256(body).hexdigest()})

    def keys(self, bucket=DISTRIBUTION):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def baler(self, *words):
        return subprocess.run([BINARY, *map(str, words)], env=self.environment, capture_output=True, text=True, timeout=60,
                              check=False)


@pytest.fixture(name="store", params=["versioned", "plain"])
def two_buckets(request, endpoint, tmp_path):
    store = Store(endpoint, tmp_path)
    store.is_versioned = request.param == "versioned"
    for bucket in (DISTRIBUTION, ARCHIVE):
        store.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        if request.param == "versioned":
            store.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    yield store
    for bucket in (DISTRIBUTION, ARCHIVE):
        for page in store.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for entry in page.get("Versions", []) + page.get("DeleteMarkers", []):
                store.s3.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])
        store.s3.delete_bucket(Bucket=bucket)


def test_pull(store, tmp_path):
    for i, (name, body) in enumerate(FILES.items()):
        store.publish(key(i), bundle({name: body}))
    store.s3.put_object(Bucket=DISTRIBUTION, Key="readme", Body=b"no bundle")
    answer = store.baler("pull", "--to", tmp_path / "to", "--json")
    assert answer.returncode == 0, answer.stderr
    assert files_in(tmp_path / "to") == FILES and store.keys() == ["readme"]
    assert json.loads(answer.stdout.splitlines()[-1])["bundles"] == len(FILES)
    assert "0 bundles" in store.baler("pull", "--to", tmp_path / "to").stderr
    if store.is_versioned:  # a store that keeps no evidence of what was published: its delete marker is the proof
        page = store.s3.list_object_versions(Bucket=DISTRIBUTION)
        assert sorted(m["Key"] for m in page["DeleteMarkers"] if m["IsLatest"]) == [key(i) for i in range(len(FILES))]


def test_verify_and_list(store):
    body = bundle(FILES)
    store.publish(key(1), body)
    address = f"s3://{DISTRIBUTION}/{key(1)}"
    found = json.loads(store.baler("verify", "--json", address).stdout)
    assert found["ok"] and found["hash_checked"] and found["sha256"] == hashlib.sha256(body).hexdigest()
    assert [m["name"] for m in found["members"]] == list(FILES)
    assert [line.split(maxsplit=1)[1] for line in store.baler("list", address).stdout.splitlines()] == list(FILES)
    store.publish(key(1), body[:-1])
    assert store.baler("verify", address).returncode == 1
    answer = store.baler("verify", address + "-none")
    assert answer.returncode == 2 and "NoSuchKey" in answer.stderr


def test_replay(store, tmp_path):
    for i, (name, body) in enumerate(FILES.items()):
        store.publish(key(i), bundle({name: body}), bucket=ARCHIVE)
    store.publish(f"manifests/{key(0)}.json", b"{}", bucket=ARCHIVE)
    answer = store.baler("replay", "--since", "1h", "--archive-bucket", ARCHIVE)
    assert answer.returncode == 0, answer.stderr
    assert store.keys() == [key(i) for i in range(len(FILES))]
    assert store.s3.head_object(Bucket=DISTRIBUTION, Key=key(1))["Metadata"]["content-sha256"]
    assert store.baler("replay", f"s3://{ARCHIVE}/{key(2)}").returncode == 0
    assert store.baler("pull", "--to", tmp_path / "to").returncode == 0 and files_in(tmp_path / "to") == FILES


@pytest.mark.parametrize("words, says", [
    (("pull", "--to", "to", "--bucket", "wrong-bucket"), "bucket 'wrong-bucket'"),
    (("verify", "s3://wrong-bucket/k"), "bucket 'wrong-bucket'"),
    (("replay", "k", "--archive-bucket", "wrong-bucket"), "bucket 'wrong-bucket'")])
def test_a_wrong_bucket(endpoint, tmp_path, words, says):
    answer = Store(endpoint, tmp_path).baler(*words)
    assert answer.returncode == 2 and says in answer.stderr and answer.stderr.count("\n") == 1, answer.stderr
