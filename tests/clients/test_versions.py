"""Versions: every overwrite stays readable; deletes are markers; markers and versions can be removed."""
import pytest
from botocore.exceptions import ClientError

import conftest
from helpers import body_of, refused


def put(s3, bucket, key, body):
    return s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]


def test_overwrite_keeps_every_version(s3, bucket):
    versions = [put(s3, bucket, "k", b"v%d" % i) for i in range(5)]
    assert len(set(versions)) == 5
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"v4"
    for i, version in enumerate(versions):
        answer = s3.get_object(Bucket=bucket, Key="k", VersionId=version)
        assert body_of(answer) == b"v%d" % i and answer["VersionId"] == version
        assert s3.head_object(Bucket=bucket, Key="k", VersionId=version)["ContentLength"] == 2
    listed = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [v["VersionId"] for v in listed] == versions[::-1], "newest first"
    assert [v["IsLatest"] for v in listed] == [True, False, False, False, False]
    assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == 1


def test_delete_marker_hides_and_can_be_removed(s3, bucket):
    version = put(s3, bucket, "k", b"body")
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"] is True and marker["VersionId"] not in ("", version)
    with refused(404, "NoSuchKey") as caught:
        s3.get_object(Bucket=bucket, Key="k")
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-delete-marker"] == "true" and headers["x-amz-version-id"] == marker["VersionId"]
    with refused(404, "404"):
        s3.head_object(Bucket=bucket, Key="k")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    with refused(405, "MethodNotAllowed") as caught:
        s3.get_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    assert body_of(s3.get_object(Bucket=bucket, Key="k", VersionId=version)) == b"body"

    listed = s3.list_object_versions(Bucket=bucket)
    assert listed["DeleteMarkers"][0]["VersionId"] == marker["VersionId"] and listed["DeleteMarkers"][0]["IsLatest"]
    assert not listed["Versions"][0]["IsLatest"]

    removed = s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert removed["DeleteMarker"] is True and removed["VersionId"] == marker["VersionId"]
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"body"


def test_delete_one_version(s3, bucket):
    old, new = put(s3, bucket, "k", b"old"), put(s3, bucket, "k", b"new")
    answer = s3.delete_object(Bucket=bucket, Key="k", VersionId=new)
    assert answer["VersionId"] == new and "DeleteMarker" not in answer
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"old"
    with refused(404, "NoSuchVersion"):
        s3.get_object(Bucket=bucket, Key="k", VersionId=new)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=old)
    with refused(404, "NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="k")
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)


def test_deleting_what_is_not_there(s3, bucket):
    answer = s3.delete_object(Bucket=bucket, Key="never")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204 and answer["DeleteMarker"] is True


def test_a_version_of_another_key_is_not_found(s3, bucket):
    version = put(s3, bucket, "one", b"1")
    put(s3, bucket, "two", b"2")
    with refused(404, "NoSuchVersion"):
        s3.get_object(Bucket=bucket, Key="two", VersionId=version)


@pytest.mark.parametrize("version", ["not-a-version", "x" * 900, "../../etc/passwd", "%00"])
def test_malformed_version(s3, module_bucket, version):
    put(s3, module_bucket, "k", b"b")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=module_bucket, Key="k", VersionId=version)
    answer = caught.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) in \
        [(400, "InvalidArgument"), (404, "NoSuchVersion")]


def test_listing_versions_in_pages(s3, bucket):
    expected = []
    for key in ("a", "b/1", "b/2", "c d+e"):
        versions = [put(s3, bucket, key, b"%d" % i) for i in range(3)]
        expected += [(key, v) for v in reversed(versions)]
    marker = s3.delete_object(Bucket=bucket, Key="b/1")["VersionId"]
    expected.insert(3, ("b/1", marker))
    for size in (1, 2, 5, 100):
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
        found = [(e["Key"], e["VersionId"]) for page in pages for e in page.get("Versions", []) + page.get("DeleteMarkers", [])]
        assert sorted(found) == sorted(expected)
        versions_only = [pair for pair in expected if pair[1] != marker]
        assert [pair for pair in found if pair[1] != marker] == versions_only
    below = s3.list_object_versions(Bucket=bucket, Prefix="b/")
    assert len(below["Versions"]) == 6 and len(below["DeleteMarkers"]) == 1
    grouped = s3.list_object_versions(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in grouped["CommonPrefixes"]] == ["b/"] and len(grouped["Versions"]) == 6


def test_a_new_bucket_is_versioned_from_the_start(s3):
    name = conftest.new_bucket(s3, versioning=None)
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert put(s3, name, "k", b"1") != put(s3, name, "k", b"2")


def test_suspended_bucket(s3, bucket):
    kept = put(s3, bucket, "k", b"versioned")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    for body in (b"null 1", b"null 2"):
        assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=body)
    assert body_of(s3.get_object(Bucket=bucket, Key="k", VersionId="null")) == b"null 2"
    assert body_of(s3.get_object(Bucket=bucket, Key="k", VersionId=kept)) == b"versioned"
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"] is True and marker["VersionId"] == "null"
    listed = s3.list_object_versions(Bucket=bucket)
    assert [v["VersionId"] for v in listed["Versions"]] == [kept]
    assert [m["VersionId"] for m in listed["DeleteMarkers"]] == ["null"]
