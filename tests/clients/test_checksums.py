"""Declared checksums: right is kept and given back, wrong commits nothing."""
import base64
import hashlib

import pytest

import checksums
from helpers import body_of

DATA = b"checked " * 5000


def md5_of(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def nothing_there(s3, bucket, key="k"):
    return s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"] == 0


@pytest.mark.parametrize("name", checksums.NAMES)
def test_right_value_in_a_header(http, s3, bucket, name):
    value = checksums.value(name, DATA)
    answer = http.call("PUT", f"/{bucket}/k", DATA, {checksums.header(name): value})
    assert answer.status == 200 and answer.headers[checksums.header(name)] == value
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head["Checksum" + name.upper()], head["ChecksumType"]) == (value, "FULL_OBJECT")
    assert "Checksum" + name.upper() not in s3.head_object(Bucket=bucket, Key="k")
    ranged = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", Range="bytes=0-9")
    assert "Checksum" + name.upper() not in ranged, "it is not that of the range"


@pytest.mark.parametrize("name", checksums.NAMES)
def test_wrong_value_in_a_header(http, s3, bucket, name):
    answer = http.call("PUT", f"/{bucket}/k", DATA, {checksums.header(name): checksums.value(name, b"other")})
    assert (answer.status, answer.code) == (400, "BadDigest")
    assert nothing_there(s3, bucket)


@pytest.mark.parametrize("value", ["", "AAAA", "!!!!!!==", "AAAAAAAAAAAAAAAAAAAAAA=="], ids=["empty", "3 bytes", "no base64", "16 bytes"])
def test_malformed_value(http, s3, bucket, value):
    answer = http.call("PUT", f"/{bucket}/k", DATA, {"x-amz-checksum-crc32": value})
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    assert nothing_there(s3, bucket)


def test_two_checksums_at_once(http, s3, bucket):
    two = {checksums.header(n): checksums.value(n, DATA) for n in ("crc32", "sha256")}
    answer = http.call("PUT", f"/{bucket}/k", DATA, two)
    assert (answer.status, answer.code) == (400, "InvalidRequest") and nothing_there(s3, bucket)


def test_algorithm_announced_but_no_value(http, s3, bucket):
    answer = http.call("PUT", f"/{bucket}/k", DATA, {"x-amz-sdk-checksum-algorithm": "CRC32"})
    assert (answer.status, answer.code) == (400, "InvalidRequest") and nothing_there(s3, bucket)


def test_content_md5(http, s3, bucket):
    assert http.call("PUT", f"/{bucket}/right", DATA, {"Content-MD5": md5_of(DATA)}).status == 200
    wrong = http.call("PUT", f"/{bucket}/k", DATA, {"Content-MD5": md5_of(b"other")})
    assert (wrong.status, wrong.code) == (400, "BadDigest")
    for value in ("", "AAAA", "not base64 at all"):
        malformed = http.call("PUT", f"/{bucket}/k", DATA, {"Content-MD5": value})
        assert (malformed.status, malformed.code) == (400, "InvalidDigest")
    assert nothing_there(s3, bucket)


@pytest.mark.parametrize("name", checksums.NAMES)
def test_boto3_with_each_algorithm(s3, bucket, name):
    put = s3.put_object(Bucket=bucket, Key="k", Body=DATA, ChecksumAlgorithm=name.upper())
    assert put["Checksum" + name.upper()] == checksums.value(name, DATA)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert body_of(got) == DATA, "boto3 checks what it reads against the checksum that came with it"
    assert got["Checksum" + name.upper()] == checksums.value(name, DATA)


@pytest.mark.parametrize("name", checksums.NAMES)
def test_parts(http, s3, bucket, name):
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=name.upper())["UploadId"]
    target = f"/{bucket}/k?partNumber=1&uploadId={upload_id}"
    wrong = http.call("PUT", target, DATA, {checksums.header(name): checksums.value(name, b"other")})
    assert (wrong.status, wrong.code) == (400, "BadDigest")
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)
    right = http.call("PUT", target, DATA, {checksums.header(name): checksums.value(name, DATA)})
    assert right.status == 200 and right.headers[checksums.header(name)] == checksums.value(name, DATA)
    listed = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)["Parts"][0]
    assert listed["Checksum" + name.upper()] == checksums.value(name, DATA)


def test_delete_objects_needs_a_right_checksum(http, s3, bucket):
    """Of any kind: the signed SHA-256 is one too."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"stays")
    document = b"<Delete><Object><Key>k</Key></Object></Delete>"
    without = http.call("POST", f"/{bucket}?delete", document, payload_hash="UNSIGNED-PAYLOAD")
    assert (without.status, without.code) == (400, "InvalidRequest")
    wrong = http.call("POST", f"/{bucket}?delete", document, {"Content-MD5": md5_of(b"other")})
    assert (wrong.status, wrong.code) == (400, "BadDigest")
    assert not nothing_there(s3, bucket)
    assert http.call("POST", f"/{bucket}?delete=", document, {"x-amz-checksum-crc32": checksums.value("crc32", document)}).status == 200
    assert nothing_there(s3, bucket)
