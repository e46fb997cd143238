"""A bit that the disk did not keep in a RECORD of what is stored (the row of a version, of a piece, of a part, of an upload): no path
answers from it as if it were whole, `verify --ledger` names it, and its object is a dead letter while all others ship.

The rows are changed by SQL beside their checksum, in a copy of one folder; so each column is tried, wherever its bytes lie.
"""
import json
import pathlib
import shutil
import sqlite3
import subprocess

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from operator_kit import BINARY, DISTRIBUTION, LANDING
from server import Server

PART = bytes(range(256)) * (5 << 12)  # 5 MiB
LAST = b"last part"


class Folder:
    """A server on a data folder."""

    def __init__(self, folder, *options):
        self.path = folder
        self.server = Server(*options, data=str(folder), keys=("records" + "0" * 9, "secret" * 4))
        self.s3 = boto3.client(
            "s3", endpoint_url=self.server.endpoint, region_name="us-east-1", aws_access_key_id=self.server.access_key,
            aws_secret_access_key=self.server.secret_key, config=Config(retries={"total_max_attempts": 1}))

    def stop(self):
        assert self.server.stop() == 0, self.server.log_tail()


def parts_of(folder, key):
    s3 = folder.s3
    upload = s3.create_multipart_upload(Bucket=LANDING, Key=key, Metadata={"kept": "yes"})["UploadId"]
    parts = [{"PartNumber": i, "ETag": s3.upload_part(Bucket=LANDING, Key=key, UploadId=upload, PartNumber=i, Body=body)["ETag"]}
             for i, body in ((1, PART), (2, PART[::-1]), (3, LAST))]
    return upload, parts


@pytest.fixture(scope="module", name="whole")
def a_folder_that_is_whole(tmp_path_factory):
    """(the folder, the open upload's id, its parts); nothing is bundled yet."""
    path = tmp_path_factory.mktemp("records") / "s"
    path.mkdir()
    folder = Folder(path, "--batch-window", "10m")
    folder.s3.put_object(Bucket=LANDING, Key="data/row", Body=b"in a row", Metadata={"kept": "yes"})
    folder.s3.put_object(Bucket=LANDING, Key="data/other", Body=b"as long")
    folder.s3.put_object(Bucket=LANDING, Key="data/file", Body=PART)
    upload, parts = parts_of(folder, "data/parts")
    folder.s3.complete_multipart_upload(Bucket=LANDING, Key="data/parts", UploadId=upload, MultipartUpload={"Parts": parts})
    upload, parts = parts_of(folder, "data/open")
    folder.stop()
    return path, upload, parts


def damaged(whole, tmp_path, sql):
    """A copy in which sql was run beside the checksums."""
    path = tmp_path / "s"
    shutil.copytree(whole[0], path)
    database = sqlite3.connect(path / "data/baler.db")
    changed = database.execute(sql).rowcount
    database.commit()
    database.close()
    assert changed >= 1, "the statement changed nothing"
    return path


def verify(path):
    answer = subprocess.run([BINARY, "verify", "--ledger", "--data", str(path / "data"), "--json"], capture_output=True, text=True,
                            timeout=60, check=False)
    assert answer.returncode in (0, 1), answer.stderr
    return [f for f in json.loads(answer.stdout)["findings"] if f["kind"] == "damaged"]


def of(key, table="version"):
    if table == "version":
        return f"WHERE key = CAST('{key}' AS BLOB)"
    return f"WHERE version = (SELECT seq FROM version {of(key)})"


VERSIONS = [
    ("data/row", "etag = 'x' || substr(etag, 2)"),
    ("data/row", "headers = CAST(replace(CAST(headers AS TEXT), 'yes', 'yet') AS BLOB)"),
    ("data/row", "modified = modified + 4096"),
    ("data/row", "nonce = nonce + 1"),
    ("data/row", "is_null = 1"),
    ("data/row", "is_marker = 1"),
    ("data/row", "n_parts = 1"),
    ("data/row", "kind = 0"),
    ("data/row", "size = size + 1"),
    ("data/file", "size = size - 1"),
    ("data/file", "kind = 1"),
    ("data/parts", "etag = etag || '0'"),
    ("data/parts", "n_parts = 2"),
]
PIECES = [
    ("data/file", "blob = (SELECT blob FROM segment WHERE idx = 1 LIMIT 1)"),  # of the same length, with sound checksums
    ("data/parts", "blob = (SELECT blob FROM segment WHERE version = (SELECT seq FROM version WHERE key = CAST('data/file' AS BLOB)))"),
    ("data/parts", "size = size + 1"),
    ("data/parts", "idx = idx + 10"),
]


@pytest.mark.parametrize("table, key, change", [
    *(("version", *row) for row in VERSIONS), *(("segment", *row) for row in PIECES)])
def test_a_version_with_a_damaged_record_is_given_to_nobody(whole, tmp_path, table, key, change):
    path = damaged(whole, tmp_path, f"UPDATE {table} SET {change} {of(key, table)}")
    folder = Folder(path, "--batch-window", "200ms")
    try:
        for ask in (lambda: folder.s3.get_object(Bucket=LANDING, Key=key)["Body"].read(),
                    lambda: folder.s3.head_object(Bucket=LANDING, Key=key),
                    lambda: folder.s3.copy_object(Bucket=LANDING, Key="copy", CopySource={"Bucket": LANDING, "Key": key})):
            with pytest.raises(ClientError) as refused:
                ask()
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        assert key in [o["Key"] for o in folder.s3.list_objects_v2(Bucket=LANDING, Prefix="data/")["Contents"]] or "is_marker" in change
        letters = wait_for_letters(folder)
        assert [(letter["code"], o["key"]) for letter in letters for o in letter["objects"]] == [("object-damaged", key)]
        assert members(folder) == {"data/row", "data/other", "data/file", "data/parts"} - {key}
        assert '"event":"damage' in folder.server.log_tail() or '"event":"damaged' in folder.server.log_tail()
    finally:
        folder.stop()
    assert [(f["bucket"], f["key"]) for f in verify(path)] == [(LANDING, key)]


def wait_for_letters(folder):
    import time  # noqa: PLC0415
    environment = {"AWS_ENDPOINT_URL": folder.server.endpoint, "AWS_ACCESS_KEY_ID": folder.server.access_key,
                   "AWS_SECRET_ACCESS_KEY": folder.server.secret_key, "AWS_REGION": "us-east-1", "HOME": "/nonexistent"}
    until = time.monotonic() + 20
    while True:
        answer = subprocess.run([BINARY, "deadletter", "list", "--json"], env=environment, capture_output=True, text=True, check=True)
        letters = json.loads(answer.stdout)
        if letters and len(members(folder)) == 3:
            return letters
        assert time.monotonic() < until, folder.server.log_tail()
        time.sleep(0.1)


def members(folder):
    import io  # noqa: PLC0415
    import tarfile  # noqa: PLC0415
    names = set()
    for o in folder.s3.list_objects_v2(Bucket=DISTRIBUTION).get("Contents", []):
        body = folder.s3.get_object(Bucket=DISTRIBUTION, Key=o["Key"])["Body"].read()
        names |= set(tarfile.open(fileobj=io.BytesIO(body)).getnames())
    return names


@pytest.mark.parametrize("change", [
    "part SET etag = 'x' || substr(etag, 2) WHERE number = 1",
    "part SET headers = x'00' WHERE number = 1",
    "part SET size = size - 1 WHERE number = 1",
    "part SET blob = (SELECT blob FROM part WHERE number = 2) WHERE number = 1",
    "part SET modified = 0 WHERE number = 1",
    "upload SET headers = CAST(replace(CAST(headers AS TEXT), 'yes', 'yet') AS BLOB)",
    "upload SET created = created + 1",
])
def test_an_upload_with_a_damaged_record_becomes_no_object(whole, tmp_path, change):
    path = damaged(whole, tmp_path, f"UPDATE {change}")
    folder, (_, upload, parts) = Folder(path, "--batch-window", "10m"), whole
    try:
        with pytest.raises(ClientError) as refused:
            folder.s3.complete_multipart_upload(Bucket=LANDING, Key="data/open", UploadId=upload, MultipartUpload={"Parts": parts})
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        if change.startswith("part"):
            with pytest.raises(ClientError):
                folder.s3.list_parts(Bucket=LANDING, Key="data/open", UploadId=upload)
            assert [f["kind"] for f in verify(path)] == ["damaged"]
            folder.s3.upload_part(Bucket=LANDING, Key="data/open", UploadId=upload, PartNumber=1, Body=PART)  # mends it
            folder.s3.complete_multipart_upload(Bucket=LANDING, Key="data/open", UploadId=upload, MultipartUpload={"Parts": parts})
            assert folder.s3.get_object(Bucket=LANDING, Key="data/open")["Body"].read() == PART + PART[::-1] + LAST
        else:
            folder.s3.abort_multipart_upload(Bucket=LANDING, Key="data/open", UploadId=upload)
            assert "Uploads" not in folder.s3.list_multipart_uploads(Bucket=LANDING)
    finally:
        folder.stop()


def test_a_damaged_version_can_be_deleted_and_put_again(whole, tmp_path):
    path = damaged(whole, tmp_path, f"UPDATE version SET etag = 'x' {of('data/row')}")
    folder = Folder(path, "--batch-window", "10m")
    try:
        with pytest.raises(ClientError):
            folder.s3.get_object(Bucket=LANDING, Key="data/row")
        folder.s3.put_object(Bucket=LANDING, Key="data/row", Body=b"again")
        assert folder.s3.get_object(Bucket=LANDING, Key="data/row")["Body"].read() == b"again"
        for version in folder.s3.list_object_versions(Bucket=LANDING, Prefix="data/row")["Versions"]:
            folder.s3.delete_object(Bucket=LANDING, Key="data/row", VersionId=version["VersionId"])
        assert "Versions" not in folder.s3.list_object_versions(Bucket=LANDING, Prefix="data/row")
    finally:
        folder.stop()
    assert verify(path) == []


def test_the_folder_without_a_damaged_record_is_whole(whole, tmp_path):
    path = pathlib.Path(tmp_path / "s")
    shutil.copytree(whole[0], path)
    assert verify(path) == []
