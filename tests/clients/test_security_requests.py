"""The list of refusals, 18 to 34 (docs/security.md): what the other files do not have. Each test names its item."""
import re
import socket

import pytest

from helpers import body_of
from rawhttp import STREAM_SIGNED_TRAILER, STREAM_UNSIGNED_TRAILER, aws_chunked_signed, aws_chunked_unsigned, read_answer
from test_presigned import ByHand, fetch
from test_streaming import crc32_trailer, encoded, refusal, streamed

MIB = 1 << 20


@pytest.fixture
def guarded(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"guarded")
    yield bucket
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"guarded"
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1


def talk(raw, data, expect=None):
    """Sends the bytes; the statuses of all answers that come within a second of each other, or of the expected number; whether the peer closed."""
    text, closed = b"", False
    with raw.connect() as connection:
        connection.sendall(data)
        connection.settimeout(20 if expect else 1)
        try:
            while not closed and (expect is None or text.count(b"HTTP/1.1 ") < expect):
                more = connection.recv(65536)
                closed, text = more == b"", text + more
        except ConnectionResetError:
            closed = True
        except TimeoutError:
            pass
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d\d\d) ", text)], closed


# ---- 8: the scope of a URL


@pytest.mark.parametrize("part, value", [(1, "eu-central-1"), (2, "sqs"), (2, "lambda"), (3, "aws4"), (0, "20200101"), (0, "")])
def test_security_8_the_scope_of_a_url(http, guarded, part, value):
    made = ByHand(http, "GET", f"/{guarded}/k")
    scope = made.scope.split("/")
    scope[part] = value
    made.scope = "/".join(scope)
    made.query["X-Amz-Credential"] = f"{http.access_key}/{made.scope}"
    answer = fetch(made.url())
    assert (answer.status, answer.code) in [(400, "AuthorizationQueryParametersError"), (403, "AccessDenied")], answer


# ---- 18, 21: aws-chunked


@pytest.mark.parametrize("size", ["0x3", "+3", " 3", "3 ", "3.", "", ";", "00000000000000000000003", "8000000000000000", "-0"])
def test_security_18_sizes_of_chunks(http, s3, bucket, size):
    body = size.encode() + b"\r\nabc\r\n0\r\n\r\n"
    request = streamed(http, f"/{bucket}/k", STREAM_UNSIGNED_TRAILER, b"abc", encoded_length=len(body)).sign()
    status, code = refusal(request.send(body), s3, bucket)
    assert status == 400 and code in ("InvalidRequest", "IncompleteBody", "InvalidChunkSizeError"), (status, code)


@pytest.mark.parametrize("form", [STREAM_SIGNED_TRAILER, STREAM_UNSIGNED_TRAILER])
def test_security_21_a_trailer_that_was_not_announced(http, s3, bucket, form):
    trailer = crc32_trailer()
    request = streamed(http, f"/{bucket}/k", form, trailer=trailer).set("x-amz-trailer", None).sign()
    status, code = refusal(request.send(encoded(request, form, trailer=trailer)), s3, bucket)
    assert (status, code) in [(400, "MalformedTrailerError"), (400, "InvalidRequest")]


def test_security_21_a_trailer_twice(http, s3, bucket):
    name, value = crc32_trailer()
    body = aws_chunked_unsigned(b"abc").removesuffix(b"\r\n") + f"{name}:{value}\r\n".encode() * 2 + b"\r\n"
    request = streamed(http, f"/{bucket}/k", STREAM_UNSIGNED_TRAILER, b"abc", x_amz_trailer=name, encoded_length=len(body)).sign()
    assert refusal(request.send(body), s3, bucket) == (400, "MalformedTrailerError")


def test_security_21_a_signed_trailer_without_its_signature(http, s3, bucket):
    trailer = crc32_trailer(b"abc")
    line = f"{trailer[0]}:{trailer[1]}\r\n".encode()
    probe = streamed(http, f"/{bucket}/k", STREAM_SIGNED_TRAILER, b"abc", trailer=trailer).sign()
    length = len(aws_chunked_signed(probe.signature, b"abc", 65536)) + len(line)
    request = streamed(http, f"/{bucket}/k", STREAM_SIGNED_TRAILER, b"abc", trailer=trailer, encoded_length=length).sign()
    body = aws_chunked_signed(request.signature, b"abc", 65536).removesuffix(b"\r\n") + line + b"\r\n"
    assert refusal(request.send(body), s3, bucket)[0] in (400, 403)


# ---- 23: where one request ends and the next begins


def smuggled(raw, bucket):
    """A good request that must never be seen as one, being part of another's body."""
    return raw.request("PUT", f"/{bucket}/smuggled", b"x").sign().head() + b"x"


@pytest.mark.parametrize("kind", ["CL.TE", "TE.CL", "TE.TE", "two lengths", "chunked twice"])
def test_security_23_no_request_inside_another(http, s3, bucket, kind):
    inner = smuggled(http, bucket)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)
    request = http.request("PUT", f"/{bucket}/k", b"", payload_hash="UNSIGNED-PAYLOAD")
    request.set("Content-Length", {"TE.TE": None, "chunked twice": None, "TE.CL": "4"}.get(kind, str(len(chunked))))
    if kind != "two lengths":
        request.set("Transfer-Encoding", "chunked, chunked" if kind == "chunked twice" else "chunked")
    request.sign()
    if kind == "TE.TE":
        request.headers.append(("Transfer-Encoding", "identity"))
    if kind == "two lengths":
        request.headers.append(("Content-Length", "0"))
    body = b"0\r\n\r\n" + inner if kind in ("CL.TE", "two lengths") else chunked
    statuses, closed = talk(http, request.head() + body)
    assert len(statuses) <= 1 and closed and set(statuses) <= {400, 411, 501}, statuses
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)


@pytest.mark.parametrize("head", [
    b"PUT /{b}/k HTTP/1.1\nHost: {h}\nContent-Length: 1\n{a}\n\nx", b"PUT /{b}/k HTTP/1.1\r\nHost: {h}\r\nx-amz-meta-a: a\x00b\r\nContent-Length: 1\r\n{a}\r\n\r\nx",
    b"PUT /{b}/k HTTP/1.1\r\nHost: {h}\r\nContent-Length : 1\r\n{a}\r\n\r\nx", b"PUT /{b}/k HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding:\r\n chunked\r\n{a}\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    b"PUT /{b}/k HTTP/1.0\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\n{a}\r\n\r\n1\r\nx\r\n0\r\n\r\n", b"PUT /{b}/k HTTP/1.1\r\nContent-Length: 1\r\n{a}\r\n\r\nx",
    b"PUT /{b}/k HTTP/1.1\r\nHost: {h}\r\nHost: other\r\nContent-Length: 1\r\n{a}\r\n\r\nx", b"PUT /{b}/k HTTP/1.1\r\nHost: {h}\r\nContent-Length: +1\r\n{a}\r\n\r\nx",
    b"PUT /{b}/k\tHTTP/1.1\r\nHost: {h}\r\nContent-Length: 1\r\n{a}\r\n\r\nx", b"PUT /{b}/k HTTP/1.1\r\nHost: {h}\r\nno colon here\r\nContent-Length: 1\r\n{a}\r\n\r\nx",
], ids=["bare LF", "NUL", "space before colon", "folded coding", "HTTP/1.0 chunked", "no host", "two hosts", "plus", "tab", "no colon"])
def test_security_23_heads_that_readers_disagree_about(http, s3, bucket, head):
    """Whatever becomes of it, nobody's key is overwritten: it has no signature of its own. No crash, and an answer in time or none."""
    data = head.replace(b"{b}", bucket.encode()).replace(b"{h}", f"{http.host}:{http.port}".encode()).replace(b"{a}", b"x-amz-content-sha256: UNSIGNED-PAYLOAD")
    statuses, _ = talk(http, data)
    assert set(statuses) <= {400, 403, 411, 501, 505}, statuses
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)


def test_security_25_a_thousand_requests_in_one_go(http, s3, bucket):
    head = http.request("GET", f"/{bucket}/none").sign().head()
    assert talk(http, head * 1000, expect=1000)[0] == [404] * 1000


def test_security_25_half_closed_after_the_whole_request(http, bucket):
    with http.connect() as connection:
        connection.sendall(http.request("GET", f"/{bucket}/none").sign().head())
        connection.shutdown(socket.SHUT_WR)
        answer = read_answer(connection)
        assert answer is None or (answer.status, answer.code) == (404, "NoSuchKey")


# ---- 26, 27: keys are data


@pytest.mark.parametrize("path, key", [("../k", "../k"), ("%2e%2e%2fk", "../k"), ("..%5ck", "..\\k"), ("/k", "/k"), ("./k", "./k"), (".", "."), ("..", ".."),
                                       ("%252e%252e/k", "%2e%2e/k"), ("a%2F..%2F..%2Fk", "a/../../k"), ("k/", "k/")])
def test_security_26_a_path_goes_nowhere(http, s3, guarded, module_bucket, path, key):
    """Sent as it is, with no client that tidies it up."""
    assert http.call("PUT", f"/{module_bucket}/{path}", b"data").status == 200
    assert body_of(s3.get_object(Bucket=module_bucket, Key=key)) == b"data"
    answer = http.call("GET", f"/{module_bucket}/../{guarded}/k")
    assert (answer.status, answer.code) == (404, "NoSuchKey")


@pytest.mark.parametrize("path", ["/%2d/api/v1/keys", "/%2D/api/v1/status", "/-%2Fapi/v1/keys", "//-/api/v1/keys", "/./-/api/v1/keys", "/-/api/v1/../v1/keys", "/-/api/v1/keys/",
                                  "/-/api%2Fv1/keys", "/-/", "/-", "/-/api/v1/keys%00", "/-/api/v1/deadletters/..%2f..%2fkeys"])
def test_security_26_the_operators_paths_are_matched_as_they_are(http, path):
    """Neither a way in beside the check nor a way around it: without a key 403 whatever it is, with one nothing is there."""
    assert http.request("GET", path).send().status == 403
    answer = http.call("GET", path)
    assert answer.status in (400, 404, 405) and b"access_key\"" not in answer.body, answer


# ---- 29, 30, 31: numbers, XML, ranges


@pytest.mark.parametrize("query", [
    "uploads=&max-uploads=-1", "uploads=&max-uploads=x", "uploads=&max-uploads=1000000000000", "versions=&max-keys=-1", "list-type=3", "list-type=x",
    "versions=&key-marker=k&version-id-marker=%00forged", "versions=&version-id-marker=alone", "uploads=&upload-id-marker=%00&key-marker=k",
    "list-type=2&continuation-token=", "prefix=%FF", "delimiter=%00", "marker=%zz"])
def test_security_29_listing_parameters(http, guarded, query):
    """400 with what is wrong, or an answer that ignores it as S3 does; never 5xx, never another bucket's keys."""
    answer = http.call("GET", f"/{guarded}?{query}")
    assert (answer.status, answer.code) in [(400, "InvalidArgument"), (400, "InvalidURI"), (200, None)], answer


@pytest.mark.parametrize("document, code", [
    (b"<CompleteMultipartUpload><Part><PartNumber>0</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>", "InvalidArgument"),
    (b"<CompleteMultipartUpload><Part><PartNumber>10001</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>", "InvalidArgument"),
    (b"<CompleteMultipartUpload>" + b"<Part><PartNumber>1</PartNumber><ETag>e</ETag></Part>" * 10001 + b"</CompleteMultipartUpload>", None),
    (b"<CompleteMultipartUpload>" + b"<x>" * 1_000_000, None), (b"<!DOCTYPE a [" + b"<!ENTITY b 'c'>" * 1000 + b"]><CompleteMultipartUpload/>", "MalformedXML"),
    (b"<CompleteMultipartUpload>" + b" " * (2 * MIB), None), (b"\xff\xfe<\x00C\x00", "MalformedXML"), (b"<CompleteMultipartUpload>\x00</CompleteMultipartUpload>", "MalformedXML"),
], ids=["part 0", "part 10001", "10,001 parts", "depth", "entities", "2 MiB", "UTF-16", "NUL"])
def test_security_30_documents(http, s3, bucket, document, code):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    answer = http.call("POST", f"/{bucket}/k?uploadId={upload}", document)
    assert answer.status == 400 and answer.code in ([code] if code else ["MalformedXML", "MaxMessageLengthExceeded", "InvalidPartOrder"]), answer
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("asked, status", [("bytes=" + ",".join(f"{i}-{i}" for i in range(1000)), 200), ("bytes=0-18446744073709551616", 206),
                                           ("bytes=18446744073709551616-18446744073709551617", 416), ("bytes=--1", 200), ("bytes=0--1", 200)])
def test_security_31_ranges(http, guarded, asked, status):
    answer = http.call("GET", f"/{guarded}/k", headers={"Range": asked})
    assert answer.status == status and (status == 416 or answer.body == b"guarded")


# ---- 33: headers that are there and say nothing


HEADERS = ["Authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-decoded-content-length", "x-amz-trailer", "x-amz-sdk-checksum-algorithm",
           "x-amz-checksum-crc32", "x-amz-checksum-sha256", "x-amz-checksum-type", "x-amz-checksum-mode", "x-amz-checksum-algorithm", "x-amz-copy-source",
           "x-amz-copy-source-range", "x-amz-copy-source-if-match", "x-amz-metadata-directive", "x-amz-mp-object-size", "x-amz-acl", "x-amz-storage-class", "x-amz-tagging",
           "x-amz-expected-bucket-owner", "x-amz-object-lock-mode", "x-amz-server-side-encryption", "x-amz-meta-", "x-amz-meta-a", "x-amz-", "Content-MD5", "Content-Encoding",
           "Content-Type", "Expires", "If-Match", "If-None-Match", "If-Modified-Since", "Range", "Expect", "Date"]


@pytest.mark.parametrize("name", HEADERS)
def test_security_33_a_header_without_a_value(http, s3, guarded, name):
    """Signed, on each method: an answer of S3's, and never a condition, an owner or a source that is taken for none."""
    never_ignored = name in ("If-Match", "x-amz-copy-source", "x-amz-expected-bucket-owner", "x-amz-tagging", "x-amz-object-lock-mode", "x-amz-server-side-encryption", "x-amz-")
    for method, path in (("PUT", "empty"), ("GET", "k"), ("HEAD", "k"), ("DELETE", "none")):
        request = http.request(method, f"/{guarded}/{path}", b"b" if method == "PUT" else b"")
        if name not in ("Authorization", "x-amz-date", "x-amz-content-sha256"):
            request.set(name, "")
        request.sign()
        if name in ("Authorization", "x-amz-date", "x-amz-content-sha256"):
            request.set(name, "")
        answer = request.send()
        assert answer is not None and (answer.status < 500 or answer.status == 501), (method, answer)
        if method == "PUT" and never_ignored:
            assert answer.status in (400, 403, 501), answer
    for version in s3.list_object_versions(Bucket=guarded, Prefix="empty").get("Versions", []):
        s3.delete_object(Bucket=guarded, Key="empty", VersionId=version["VersionId"])


# ---- 34: an upload after its end


def test_security_34_an_upload_that_was_completed_is_no_way_back(s3, http, bucket):
    """Deleted, its object does not come again by completing once more; and no part can be put into what is sealed."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"sealed")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    version = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)["VersionId"]
    answer = http.call("PUT", f"/{bucket}/k?partNumber=1&uploadId={upload}", b"other")
    assert (answer.status, answer.code) == (404, "NoSuchUpload")
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"sealed"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    try:
        s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    except s3.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchUpload"
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)
