"""Multipart uploads: parts, lists, completion, abortion, and the rules about sizes and order."""
import base64
import hashlib

import pytest

from helpers import body_of, refused

MIB = 1 << 20
PARTS = [letter * (5 * MIB) for letter in (b"A", b"B", b"C")]
WHOLE = b"".join(PARTS)


def start(s3, bucket, key="k", **more):
    return s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]


def upload(s3, bucket, upload_id, number, body, key="k", **more):
    answer = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body, **more)
    return {"PartNumber": number, "ETag": answer["ETag"]}


def complete(s3, bucket, upload_id, parts, key="k", **more):
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **more)


def test_three_parts_become_one_object(s3, bucket):
    upload_id = start(s3, bucket, ContentType="x/y", Metadata={"m": "1"})
    parts = [upload(s3, bucket, upload_id, n, PARTS[n - 1]) for n in (3, 1, 2)]
    with refused(404, "NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="k")
    parts.sort(key=lambda p: p["PartNumber"])
    done = complete(s3, bucket, upload_id, parts)
    assert done["ETag"] == '"b2add96cc9702bbf4efb0ccdfc6b7747-3"', "the known answer for 5 MiB of A, B and C"
    assert done["Bucket"] == bucket and done["Key"] == "k" and done["VersionId"] and done["Location"]
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["ETag"], got["ContentType"], got["Metadata"]) == (done["ETag"], "x/y", {"m": "1"})
    assert hashlib.sha256(body_of(got)).digest() == hashlib.sha256(WHOLE).digest()
    across = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={5 * MIB - 3}-{5 * MIB + 2}")
    assert body_of(across) == b"AAABBB"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_completing_again_is_the_same_answer_and_no_new_version(s3, bucket):
    upload_id = start(s3, bucket)
    parts = [upload(s3, bucket, upload_id, 1, b"only")]
    first, again = (complete(s3, bucket, upload_id, parts) for _ in range(2))
    assert first["ETag"] == again["ETag"]
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_get_one_part(s3, bucket):
    upload_id = start(s3, bucket)
    complete(s3, bucket, upload_id, [upload(s3, bucket, upload_id, n, body) for n, body in ((1, PARTS[0]), (2, b"tail"))])
    part = s3.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert part["ResponseMetadata"]["HTTPStatusCode"] == 206 and part["PartsCount"] == 2 and body_of(part) == b"tail"
    with refused(416, "InvalidPartNumber"):
        s3.get_object(Bucket=bucket, Key="k", PartNumber=3)


def test_a_part_put_again_replaces_it(s3, bucket):
    upload_id = start(s3, bucket)
    stale = upload(s3, bucket, upload_id, 1, b"first")
    fresh = upload(s3, bucket, upload_id, 1, b"second")
    with refused(400, "InvalidPart"):
        complete(s3, bucket, upload_id, [stale])
    complete(s3, bucket, upload_id, [fresh])
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"second"


def test_only_named_parts_are_taken(s3, bucket):
    upload_id = start(s3, bucket)
    parts = [upload(s3, bucket, upload_id, n, b"part %d" % n) for n in (2, 7, 10000)]
    complete(s3, bucket, upload_id, parts[1:2])
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"part 7"


def test_list_parts(s3, bucket):
    upload_id = start(s3, bucket)
    for number in (1, 2, 5, 9):
        upload(s3, bucket, upload_id, number, b"x" * number)
    listed = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)
    assert [(p["PartNumber"], p["Size"]) for p in listed["Parts"]] == [(1, 1), (2, 2), (5, 5), (9, 9)]
    assert listed["Parts"][0]["ETag"] == f'"{hashlib.md5(b"x").hexdigest()}"' and listed["UploadId"] == upload_id
    page = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id, MaxParts=2)
    assert page["IsTruncated"] and page["NextPartNumberMarker"] == 2
    rest = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id, PartNumberMarker=2)
    assert [p["PartNumber"] for p in rest["Parts"]] == [5, 9] and not rest["IsTruncated"]


def test_list_uploads(s3, bucket):
    made = {key: start(s3, bucket, key) for key in ("b/2", "a b+c", "b/1", "c")}
    listed = s3.list_multipart_uploads(Bucket=bucket)
    assert [(u["Key"], u["UploadId"]) for u in listed["Uploads"]] == sorted(made.items())
    page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2)
    assert page["IsTruncated"] and [u["Key"] for u in page["Uploads"]] == ["a b+c", "b/1"]
    rest = s3.list_multipart_uploads(Bucket=bucket, KeyMarker=page["NextKeyMarker"], UploadIdMarker=page["NextUploadIdMarker"])
    assert [u["Key"] for u in rest["Uploads"]] == ["b/2", "c"]
    grouped = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in grouped["CommonPrefixes"]] == ["b/"]
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket, Prefix="b/")["Uploads"]] == ["b/1", "b/2"]
    first = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/", MaxUploads=2)
    assert first["IsTruncated"] and first["NextKeyMarker"] == "b/"
    last = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/", KeyMarker=first["NextKeyMarker"])
    assert [u["Key"] for u in last["Uploads"]] == ["c"] and "CommonPrefixes" not in last


def test_abort(s3, bucket):
    upload_id = start(s3, bucket)
    part = upload(s3, bucket, upload_id, 1, b"x")
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id)
    for call in (lambda: s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id), lambda: complete(s3, bucket, upload_id, [part]),
                 lambda: upload(s3, bucket, upload_id, 2, b"x")):
        with refused(404, "NoSuchUpload"):
            call()
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_abort_after_completion_leaves_the_object(s3, bucket):
    upload_id = start(s3, bucket)
    complete(s3, bucket, upload_id, [upload(s3, bucket, upload_id, 1, b"stays")])
    try:
        s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id)
    except s3.exceptions.NoSuchUpload:
        pass
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"stays"


def test_the_upload_of_another_key_or_bucket_is_unknown(s3, bucket, module_bucket):
    upload_id = start(s3, bucket)
    for where, key in ((bucket, "other"), (module_bucket, "k")):
        with refused(404, "NoSuchUpload"):
            upload(s3, where, upload_id, 1, b"x", key=key)
        with refused(404, "NoSuchUpload"):
            s3.list_parts(Bucket=where, Key=key, UploadId=upload_id)
    for unknown in ("no-such-upload", "x" * 500, "../x"):
        with refused(404, "NoSuchUpload"):
            upload(s3, bucket, unknown, 1, b"x")


def test_a_small_part_before_the_last(s3, bucket):
    upload_id = start(s3, bucket)
    parts = [upload(s3, bucket, upload_id, n, b"x" * size) for n, size in ((1, 5 * MIB - 1), (2, 1))]
    with refused(400, "EntityTooSmall"):
        complete(s3, bucket, upload_id, parts)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_order_and_existence_of_parts(s3, bucket):
    upload_id = start(s3, bucket)
    one, two = (upload(s3, bucket, upload_id, n, PARTS[n]) for n in (1, 2))
    with refused(400, "InvalidPartOrder"):
        complete(s3, bucket, upload_id, [two, one])
    with refused(400, "InvalidPartOrder"):
        complete(s3, bucket, upload_id, [one, one])
    with refused(400, "InvalidPart"):
        complete(s3, bucket, upload_id, [one, {"PartNumber": 3, "ETag": two["ETag"]}])
    with refused(400, "InvalidPart"):
        complete(s3, bucket, upload_id, [{"PartNumber": 1, "ETag": two["ETag"]}])
    with refused(400, "MalformedXML"):
        complete(s3, bucket, upload_id, [])


@pytest.mark.parametrize("number", ["0", "10001", "-1", "x", "", "99999999999"])
def test_part_numbers_out_of_range(s3, http, bucket, number):
    upload_id = start(s3, bucket)
    answer = http.call("PUT", f"/{bucket}/k?partNumber={number}&uploadId={upload_id}", b"x")
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@pytest.mark.parametrize("form", ['"%s"', "%s", "&quot;%s&quot;", "&#34;%s&#34;"], ids=["quoted", "bare", "quot", "34"])
def test_every_way_to_write_an_etag(s3, http, bucket, form):
    upload_id = start(s3, bucket)
    etag = upload(s3, bucket, upload_id, 1, b"x")["ETag"].strip('"')
    document = f"<CompleteMultipartUpload><Part><ETag>{form % etag}</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
    answer = http.call("POST", f"/{bucket}/k?uploadId={upload_id}", document.encode())
    assert answer.status == 200 and answer.element("ETag").strip('"').endswith("-1")


@pytest.mark.parametrize("document", [
    b"", b"not xml", b"<CompleteMultipartUpload>", b"<Other/>", b"<CompleteMultipartUpload></CompleteMultipartUpload>",
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
    b"<CompleteMultipartUpload><Part><PartNumber>one</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>",
    b'<!DOCTYPE a [<!ENTITY b "c">]><CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&b;</ETag></Part></CompleteMultipartUpload>',
], ids=["empty", "text", "open", "other root", "no parts", "no etag", "bad number", "entities"])
def test_malformed_completion(s3, http, bucket, document):
    upload_id = start(s3, bucket)
    upload(s3, bucket, upload_id, 1, b"x")
    answer = http.call("POST", f"/{bucket}/k?uploadId={upload_id}", document)
    assert (answer.status, answer.code) == (400, "MalformedXML")


def test_conditional_completion(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"there")
    upload_id = start(s3, bucket)
    parts = [upload(s3, bucket, upload_id, 1, b"new")]
    with refused(412, "PreconditionFailed"):
        complete(s3, bucket, upload_id, parts, IfNoneMatch="*")
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"there"


# Known answers for 5 MiB of A, B and C.
@pytest.mark.parametrize("algorithm, kind, value", [
    ("CRC32", "FULL_OBJECT", "WgDhBQ=="), ("CRC32", "COMPOSITE", "Z+ry2Q==-3"), ("CRC32C", "FULL_OBJECT", "xU+Krw=="),
    ("CRC64NVME", "FULL_OBJECT", "i+6LR0y3eFo="), ("SHA256", "COMPOSITE", "uWBwpe1dxI4Vw8Gf0X9ynOdw/SS6VBzfWm9giiv1sf4=-3")])
def test_checksum_of_the_whole(s3, bucket, algorithm, kind, value):
    upload_id = start(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    parts = []
    for number, body in enumerate(PARTS, 1):
        answer = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
        name = "Checksum" + algorithm
        parts.append({"PartNumber": number, "ETag": answer["ETag"], name: answer[name]})
    done = complete(s3, bucket, upload_id, parts, ChecksumType=kind)
    assert (done["Checksum" + algorithm], done["ChecksumType"]) == (value, kind)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head["Checksum" + algorithm], head["ChecksumType"]) == (value, kind)


def test_completion_with_a_wrong_part_checksum(s3, bucket):
    upload_id = start(s3, bucket, ChecksumAlgorithm="SHA256")
    answer = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"x", ChecksumAlgorithm="SHA256")
    wrong = base64.b64encode(hashlib.sha256(b"y").digest()).decode()
    with refused(400, "InvalidPart"):
        complete(s3, bucket, upload_id, [{"PartNumber": 1, "ETag": answer["ETag"], "ChecksumSHA256": wrong}])
