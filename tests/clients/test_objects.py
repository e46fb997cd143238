"""Objects: what goes in comes back, with its headers, in ranges, under conditions, whatever the key."""
import datetime
import hashlib

import pytest
from botocore.exceptions import ClientError

import conftest
from helpers import KEY_OF_1024_BYTES, ODD_KEYS, body_of, refused

TEXT = bytes(range(256)) * 40  # 10,240 bytes


@pytest.fixture(scope="module")
def text_bucket(s3):
    """With one object "text", for the tests that only read."""
    name = conftest.new_bucket(s3)
    s3.put_object(Bucket=name, Key="text", Body=TEXT, ContentType="text/plain")
    return name


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys(s3, module_bucket, key):
    body = key.encode()
    s3.put_object(Bucket=module_bucket, Key=key, Body=body)
    assert body_of(s3.get_object(Bucket=module_bucket, Key=key)) == body
    assert s3.head_object(Bucket=module_bucket, Key=key)["ContentLength"] == len(body)
    listed = s3.list_objects_v2(Bucket=module_bucket, Prefix=key)["Contents"]
    assert key in [entry["Key"] for entry in listed]


def test_odd_keys_are_all_different_objects(s3, bucket):
    for key in ODD_KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in ODD_KEYS:
        assert body_of(s3.get_object(Bucket=bucket, Key=key)) == key.encode()
    listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(ODD_KEYS, key=str.encode)
    for key in ODD_KEYS:
        s3.delete_object(Bucket=bucket, Key=key)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_key_of_1024_bytes_and_no_more(s3, module_bucket):
    s3.put_object(Bucket=module_bucket, Key=KEY_OF_1024_BYTES, Body=b"long")
    assert body_of(s3.get_object(Bucket=module_bucket, Key=KEY_OF_1024_BYTES)) == b"long"
    with refused(400, "KeyTooLongError"):
        s3.put_object(Bucket=module_bucket, Key=KEY_OF_1024_BYTES + "x", Body=b"longer")


def test_virtual_host_addressing(target, s3, module_bucket, localhost_names):
    target_by_name = conftest.Target(f"http://localhost:{target.port}", target.access_key, target.secret_key)
    by_host = conftest.boto3_client(target_by_name, s3={"addressing_style": "virtual"})
    for key in ("by host", "a//b", "data/../x"):
        answer = by_host.put_object(Bucket=module_bucket, Key=key, Body=b"virtual")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert body_of(s3.get_object(Bucket=module_bucket, Key=key)) == b"virtual"
    assert "by host" in [e["Key"] for e in by_host.list_objects_v2(Bucket=module_bucket)["Contents"]]


@pytest.mark.parametrize("size", [0, 1, 131071, 131072, 131073, 5 << 20], ids=lambda n: f"{n} bytes")
def test_sizes_around_the_inline_limit(s3, module_bucket, size):
    body = hashlib.shake_128(b"%d" % size).digest(size)
    answer = s3.put_object(Bucket=module_bucket, Key=f"size-{size}", Body=body)
    assert answer["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=module_bucket, Key=f"size-{size}")
    assert got["ContentLength"] == size and got["ETag"] == answer["ETag"]
    assert body_of(got) == body


def test_headers_and_metadata_come_back(s3, module_bucket):
    given = {"ContentType": "application/x-thing", "CacheControl": "max-age=3", "ContentDisposition": 'attachment; filename="a b"',
             "ContentEncoding": "gzip", "ContentLanguage": "de", "Metadata": {"one": "1", "camelcase": "Mixed Value", "empty": ""}}
    s3.put_object(Bucket=module_bucket, Key="headers", Body=b"b", **given)
    for answer in (s3.get_object(Bucket=module_bucket, Key="headers"), s3.head_object(Bucket=module_bucket, Key="headers")):
        assert {name: answer.get(name) for name in given} == given
        assert answer["AcceptRanges"] == "bytes" and answer["VersionId"]
        age = datetime.datetime.now(datetime.timezone.utc) - answer["LastModified"]
        assert datetime.timedelta(seconds=-2) < age < datetime.timedelta(minutes=5)


def test_default_content_type(s3, module_bucket):
    s3.put_object(Bucket=module_bucket, Key="untyped", Body=b"b")
    assert s3.head_object(Bucket=module_bucket, Key="untyped")["ContentType"] == "binary/octet-stream"


def test_metadata_above_2_kb_is_refused(s3, module_bucket):
    s3.put_object(Bucket=module_bucket, Key="meta", Body=b"b", Metadata={"m": "v" * 2000})
    with refused(400, "MetadataTooLarge"):
        s3.put_object(Bucket=module_bucket, Key="meta", Body=b"b", Metadata={"m": "v" * 2100})


def test_response_overrides(s3, text_bucket):
    answer = s3.get_object(Bucket=text_bucket, Key="text", ResponseContentType="text/x-other",
                           ResponseContentDisposition="inline", ResponseCacheControl="no-cache")
    assert (answer["ContentType"], answer["ContentDisposition"], answer["CacheControl"]) == ("text/x-other", "inline", "no-cache")


@pytest.mark.parametrize("asked, first, last", [
    ("bytes=0-0", 0, 0), ("bytes=1-99", 1, 99), ("bytes=100-", 100, 10239), ("bytes=-5", 10235, 10239),
    ("bytes=10239-10239", 10239, 10239), ("bytes=10000-99999", 10000, 10239), ("bytes=-99999", 0, 10239)])
def test_ranges(s3, text_bucket, asked, first, last):
    answer = s3.get_object(Bucket=text_bucket, Key="text", Range=asked)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["ContentRange"] == f"bytes {first}-{last}/10240" and answer["ContentLength"] == last - first + 1
    assert body_of(answer) == TEXT[first:last + 1]
    assert s3.head_object(Bucket=text_bucket, Key="text", Range=asked)["ContentLength"] == last - first + 1


@pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=a-b", "bytes=0-1,5-6", "lines=0-1", "bytes=", "0-1"])
def test_ranges_that_are_ignored(s3, text_bucket, asked):
    answer = s3.get_object(Bucket=text_bucket, Key="text", Range=asked)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200 and body_of(answer) == TEXT


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=10240-10241", "bytes=-0", "bytes=9223372036854775807-", "bytes=99999999999999999999-"])
def test_ranges_outside(s3, text_bucket, asked):
    with refused(416, "InvalidRange"):
        s3.get_object(Bucket=text_bucket, Key="text", Range=asked)


def test_range_of_a_large_object(s3, module_bucket):
    body = hashlib.shake_128(b"large").digest(3 << 20)
    s3.put_object(Bucket=module_bucket, Key="ranged", Body=body)
    answer = s3.get_object(Bucket=module_bucket, Key="ranged", Range="bytes=1000000-2999999")
    assert body_of(answer) == body[1000000:3000000]


def status_of(call, **arguments):
    try:
        return call(**arguments)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]


BEFORE = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
# RFC 9110 section 13.2.2: If-Match beats If-Unmodified-Since, If-None-Match beats If-Modified-Since.
CONDITIONS = [
    ({"IfMatch": "right"}, 200), ({"IfMatch": "wrong"}, 412), ({"IfMatch": "*"}, 200),
    ({"IfNoneMatch": "right"}, 304), ({"IfNoneMatch": "wrong"}, 200), ({"IfNoneMatch": "*"}, 304),
    ({"IfModifiedSince": BEFORE}, 200), ({"IfUnmodifiedSince": BEFORE}, 412), ({"IfModifiedSince": "its own"}, 304),
    ({"IfUnmodifiedSince": "its own"}, 200),
    ({"IfMatch": "right", "IfUnmodifiedSince": BEFORE}, 200), ({"IfMatch": "wrong", "IfUnmodifiedSince": "its own"}, 412),
    ({"IfNoneMatch": "right", "IfModifiedSince": BEFORE}, 304), ({"IfNoneMatch": "wrong", "IfModifiedSince": "its own"}, 200),
]


@pytest.mark.parametrize("condition, status", CONDITIONS, ids=lambda v: "-".join(v) if isinstance(v, dict) else str(v))
def test_conditional_reads(s3, text_bucket, condition, status):
    head = s3.head_object(Bucket=text_bucket, Key="text")
    meaning = {"right": head["ETag"], "wrong": '"' + "0" * 32 + '"', "its own": head["LastModified"]}
    asked = {name: meaning.get(value, value) if isinstance(value, str) else value for name, value in condition.items()}
    assert status_of(s3.get_object, Bucket=text_bucket, Key="text", **asked) == status
    assert status_of(s3.head_object, Bucket=text_bucket, Key="text", **asked) == status


def test_conditional_put(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")
    with refused(412, "PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=first["ETag"])
    with refused(412, "PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"4", IfMatch=first["ETag"])
    with refused(404, "NoSuchKey"):
        s3.put_object(Bucket=bucket, Key="other", Body=b"5", IfMatch=first["ETag"])
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"3"
    s3.delete_object(Bucket=bucket, Key="k")
    s3.put_object(Bucket=bucket, Key="k", Body=b"6", IfNoneMatch="*")  # a delete marker counts as absent
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 3


def test_what_is_not_there(s3, bucket):
    with refused(404, "NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="none")
    with refused(404, "404"):
        s3.head_object(Bucket=bucket, Key="none")
    for call, more in ((s3.get_object, {"Key": "k"}), (s3.put_object, {"Key": "k", "Body": b"b"}), (s3.list_objects_v2, {}),
                       (s3.delete_object, {"Key": "k"}), (s3.list_object_versions, {}), (s3.get_bucket_location, {}),
                       (s3.create_multipart_upload, {"Key": "k"}), (s3.delete_bucket, {})):
        with refused(404, "NoSuchBucket"):
            call(Bucket="no-such-bucket-here", **more)
    with refused(404, "404"):
        s3.head_bucket(Bucket="no-such-bucket-here")


def test_buckets(s3, bucket):
    names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert bucket in names and names == sorted(names)
    head = s3.head_bucket(Bucket=bucket)
    assert head["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    s3.put_object(Bucket=bucket, Key="k", Body=b"b")
    with refused(409, "BucketNotEmpty"):
        s3.delete_bucket(Bucket=bucket)
    for version in s3.list_object_versions(Bucket=bucket)["Versions"]:
        s3.delete_object(Bucket=bucket, Key="k", VersionId=version["VersionId"])
    s3.delete_bucket(Bucket=bucket)
    with refused(404, "404"):
        s3.head_bucket(Bucket=bucket)


def test_creating_a_bucket_again_changes_nothing(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"b")
    assert status_of(s3.create_bucket, Bucket=bucket) in (200, 409)
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"b"
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_the_default_buckets_are_there_and_versioned(s3, request):
    if request.config.getoption("--endpoint"):
        pytest.skip("only baler has them")
    names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    for name in conftest.DEFAULT_BUCKETS:
        assert name in names
        assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
