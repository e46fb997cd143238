"""Copying objects on the server, and deleting many at once."""
import base64
import hashlib

import pytest

from helpers import ODD_KEYS, body_of, put_many, refused


def test_copy_keeps_or_replaces_metadata(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=b"body", ContentType="x/y", Metadata={"m": "1"})
    done = s3.copy_object(Bucket=bucket, Key="kept", CopySource={"Bucket": bucket, "Key": "from"})
    assert done["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(b"body").hexdigest()}"' and done["VersionId"]
    kept = s3.get_object(Bucket=bucket, Key="kept")
    assert (body_of(kept), kept["ContentType"], kept["Metadata"]) == (b"body", "x/y", {"m": "1"})
    s3.copy_object(Bucket=bucket, Key="replaced", CopySource={"Bucket": bucket, "Key": "from"},
                   MetadataDirective="REPLACE", ContentType="z/z", Metadata={"n": "2"})
    replaced = s3.get_object(Bucket=bucket, Key="replaced")
    assert (body_of(replaced), replaced["ContentType"], replaced["Metadata"]) == (b"body", "z/z", {"n": "2"})


def test_copy_to_itself(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body", Metadata={"m": "1"})
    source = {"Bucket": bucket, "Key": "k"}
    with refused(400, "InvalidRequest"):
        s3.copy_object(Bucket=bucket, Key="k", CopySource=source)
    s3.copy_object(Bucket=bucket, Key="k", CopySource=source, MetadataDirective="REPLACE", Metadata={"m": "2"})
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"m": "2"}
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 2


def test_copy_a_version_across_buckets(s3, bucket, module_bucket):
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    done = s3.copy_object(Bucket=module_bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k", "VersionId": old})
    assert done["CopySourceVersionId"] == old
    assert body_of(s3.get_object(Bucket=module_bucket, Key="copy")) == b"old"


def test_copy_of_a_large_object(s3, bucket):
    body = hashlib.shake_128(b"copy").digest(6 << 20)
    s3.put_object(Bucket=bucket, Key="large", Body=body)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "large"})
    s3.delete_object(Bucket=bucket, Key="large")
    assert hashlib.sha256(body_of(s3.get_object(Bucket=bucket, Key="copy"))).digest() == hashlib.sha256(body).digest()


@pytest.mark.parametrize("key", [k for k in ODD_KEYS if "\n" not in k])
def test_copy_from_odd_keys(s3, module_bucket, key):
    s3.put_object(Bucket=module_bucket, Key=key, Body=key.encode())
    s3.copy_object(Bucket=module_bucket, Key="copied", CopySource={"Bucket": module_bucket, "Key": key})
    assert body_of(s3.get_object(Bucket=module_bucket, Key="copied")) == key.encode()


@pytest.mark.parametrize("condition, met", [
    ({"CopySourceIfMatch": "right"}, True), ({"CopySourceIfMatch": "wrong"}, False),
    ({"CopySourceIfNoneMatch": "wrong"}, True), ({"CopySourceIfNoneMatch": "right"}, False)])
def test_conditional_copy(s3, bucket, condition, met):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"b")["ETag"]
    condition = {name: etag if value == "right" else '"0"' for name, value in condition.items()}
    arguments = {"Bucket": bucket, "Key": "copy", "CopySource": {"Bucket": bucket, "Key": "k"}, **condition}
    if met:
        s3.copy_object(**arguments)
    else:
        with refused(412, "PreconditionFailed"):
            s3.copy_object(**arguments)


def test_copy_from_what_is_not_there(s3, http, bucket):
    for source, code in ((f"{bucket}/none", "NoSuchKey"), ("no-such-bucket-here/k", "NoSuchBucket")):
        with refused(404, code):
            s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    for source in ("", "/", "no-slash", "a/", "%zz/x"):
        answer = http.call("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": source})
        assert answer.status == 400 and answer.code in ("InvalidArgument", "InvalidRequest", "InvalidURI", "InvalidBucketName"), source
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_conditional_delete(s3, http, bucket):
    with refused(404, "NoSuchKey"):
        s3.delete_object(Bucket=bucket, Key="k", IfMatch="*")
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"stays")["ETag"]
    with refused(412, "PreconditionFailed"):
        s3.delete_object(Bucket=bucket, Key="k", IfMatch='"0"')
    for header, value, status in (("If-None-Match", "*", 501), ("If-Match", "", 400), ("If-Match", '""', 400)):
        assert http.call("DELETE", f"/{bucket}/k", headers={header: value}).status == status  # never an unconditional one
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"stays"
    assert s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)["DeleteMarker"]
    with refused(404, "NoSuchKey"):
        s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)


def test_conditional_delete_of_many(s3, bucket):
    etags = {key: s3.put_object(Bucket=bucket, Key=key, Body=key.encode())["ETag"] for key in ("a", "b", "c")}
    objects = [{"Key": "a", "ETag": etags["a"]}, {"Key": "b", "ETag": etags["a"]}, {"Key": "c", "ETag": "*"}, {"Key": "d", "ETag": "*"}, {"Key": "e"}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert {d["Key"] for d in answer["Deleted"]} == {"a", "c", "e"}
    assert {e["Key"]: e["Code"] for e in answer["Errors"]} == {"b": "PreconditionFailed", "d": "NoSuchKey"}
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["b"]


def test_delete_a_thousand_at_once(s3, bucket):
    keys = [f"n{i:04d}" for i in range(1000)]
    put_many(s3, bucket, keys)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert [d["Key"] for d in answer["Deleted"]] == keys and "Errors" not in answer
    assert all(d["DeleteMarker"] and d["DeleteMarkerVersionId"] for d in answer["Deleted"])
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_delete_1001_at_once_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="n0", Body=b"stays")
    with refused(400, "MalformedXML"):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": f"n{i}"} for i in range(1001)]})
    assert body_of(s3.get_object(Bucket=bucket, Key="n0")) == b"stays"


def test_delete_many_odd_keys_quietly(s3, bucket):
    keys = [k for k in ODD_KEYS if "\n" not in k]
    put_many(s3, bucket, keys)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Quiet": True, "Objects": [{"Key": key} for key in keys]})
    assert "Deleted" not in answer and "Errors" not in answer
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_delete_many_versions_and_what_is_not_there(s3, bucket):
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": old}, {"Key": "never"}]})
    assert {d["Key"] for d in answer["Deleted"]} == {"k", "never"} and "Errors" not in answer
    assert len(s3.list_object_versions(Bucket=bucket, Prefix="k")["Versions"]) == 1


@pytest.mark.parametrize("document", [
    b"", b"no xml", b"<Delete>", b"<Delete></Delete>", b"<Other><Object><Key>k</Key></Object></Other>",
    b"<Delete><Object></Object></Delete>", b"<Delete>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</Delete>",
    b'<!DOCTYPE d [<!ENTITY k "k">]><Delete><Object><Key>&k;</Key></Object></Delete>',
    b"<Delete><Object><Key>k</Key></Object></Delete>trailing",
], ids=["empty", "text", "open", "no objects", "other root", "no key", "deep", "entities", "trailing"])
def test_malformed_delete(http, s3, bucket, document):
    s3.put_object(Bucket=bucket, Key="k", Body=b"stays")
    md5 = base64.b64encode(hashlib.md5(document).digest()).decode()
    answer = http.call("POST", f"/{bucket}?delete=", document, {"Content-MD5": md5})
    assert (answer.status, answer.code) in [(400, "MalformedXML"), (400, "MissingRequestBodyError")]
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"stays"
