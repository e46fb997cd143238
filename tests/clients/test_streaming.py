"""aws-chunked bodies by hand: signed, signed with trailer, unsigned with trailer; over Content-Length and over HTTP's chunking."""
import hashlib

import pytest

import checksums
from helpers import body_of
from rawhttp import (STREAM_SIGNED, STREAM_SIGNED_TRAILER, STREAM_UNSIGNED_TRAILER, aws_chunked_signed, aws_chunked_signed_length,
                     aws_chunked_unsigned, http_chunked)

DATA = hashlib.shake_128(b"streamed").digest(200_000)
FORMS = [STREAM_SIGNED, STREAM_SIGNED_TRAILER, STREAM_UNSIGNED_TRAILER]


def crc32_trailer(data=DATA):
    return "x-amz-checksum-crc32", checksums.value("crc32", data)


def streamed(http, target, form, data=DATA, size=65536, trailer=None, encoded_length=None, **headers):
    """An unsigned request for this form; the body is made once it is signed. trailer: (name, value), announced and sent."""
    request = http.request("PUT", target, payload_hash=form)
    request.set("Content-Encoding", "aws-chunked").set("x-amz-decoded-content-length", str(len(data)))
    if trailer:
        request.set("x-amz-trailer", trailer[0])
    if encoded_length is None:
        unsigned = form == STREAM_UNSIGNED_TRAILER
        encoded_length = len(aws_chunked_unsigned(data, size, trailer)) if unsigned else aws_chunked_signed_length(data, size, trailer)
    request.set("Content-Length", str(encoded_length))
    for name, value in headers.items():
        request.set(name.replace("_", "-"), value)
    return request


def encoded(request, form, data=DATA, size=65536, trailer=None, **more):
    if form == STREAM_UNSIGNED_TRAILER:
        return aws_chunked_unsigned(data, size, trailer)
    return aws_chunked_signed(request.signature, data, size, trailer, **more)


def refusal(answer, s3, bucket):
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0, "something was committed"
    return answer.status, answer.code


@pytest.mark.parametrize("size", [100_001, 65536, 8192, 777], ids=lambda n: f"chunks of {n}")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("length", [0, 1, 200_000], ids=lambda n: f"{n} bytes")
def test_each_form(http, s3, bucket, form, size, length):
    data = DATA[:length]
    trailer = None if form == STREAM_SIGNED else crc32_trailer(data)
    request = streamed(http, f"/{bucket}/k", form, data, size, trailer).sign()
    answer = request.send(encoded(request, form, data, size, trailer))
    assert answer.status == 200, answer
    assert answer.headers["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert body_of(got) == data and "ContentEncoding" not in got


@pytest.mark.parametrize("form", FORMS)
def test_over_http_chunking_without_content_length(http, s3, bucket, form):
    trailer = None if form == STREAM_SIGNED else crc32_trailer()
    request = streamed(http, f"/{bucket}/k", form, trailer=trailer, Content_Length=None, Transfer_Encoding="chunked").sign()
    answer = request.send(http_chunked(encoded(request, form, trailer=trailer), 1000))
    assert answer.status == 200, answer
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == DATA


@pytest.mark.parametrize("name", checksums.NAMES)
@pytest.mark.parametrize("form", FORMS[1:])
def test_trailer_of_each_algorithm(http, s3, bucket, form, name):
    trailer = checksums.header(name), checksums.value(name, DATA)
    request = streamed(http, f"/{bucket}/k", form, trailer=trailer).sign()
    answer = request.send(encoded(request, form, trailer=trailer))
    assert answer.status == 200 and answer.headers[trailer[0]] == trailer[1], answer
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["Checksum" + name.upper()] == trailer[1]


@pytest.mark.parametrize("name", checksums.NAMES)
@pytest.mark.parametrize("form", FORMS[1:])
def test_wrong_trailer(http, s3, bucket, form, name):
    trailer = checksums.header(name), checksums.value(name, b"other")
    request = streamed(http, f"/{bucket}/k", form, trailer=trailer).sign()
    answer = request.send(encoded(request, form, trailer=trailer))
    assert refusal(answer, s3, bucket) == (400, "BadDigest")


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\n\r\n"], ids=["CRLF", "LF", "LF CRLF"])
def test_line_ends_around_a_signed_trailer(http, s3, bucket, line_end):
    trailer = crc32_trailer()
    length = aws_chunked_signed_length(DATA, 65536, trailer, line_end)
    request = streamed(http, f"/{bucket}/k", STREAM_SIGNED_TRAILER, trailer=trailer, encoded_length=length).sign()
    assert request.send(encoded(request, STREAM_SIGNED_TRAILER, trailer=trailer, line_end=line_end)).status == 200
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == DATA


@pytest.mark.parametrize("spoil", [0, 1, 4], ids=["first", "middle", "final"])
@pytest.mark.parametrize("form", FORMS[:2])
def test_wrong_chunk_signature(http, s3, bucket, form, spoil):
    trailer = None if form == STREAM_SIGNED else crc32_trailer()
    request = streamed(http, f"/{bucket}/k", form, trailer=trailer).sign()
    answer = request.send(encoded(request, form, trailer=trailer, spoil=spoil))
    assert refusal(answer, s3, bucket) == (403, "SignatureDoesNotMatch")


def test_wrong_trailer_signature(http, s3, bucket):
    trailer = crc32_trailer()
    request = streamed(http, f"/{bucket}/k", STREAM_SIGNED_TRAILER, trailer=trailer).sign()
    answer = request.send(encoded(request, STREAM_SIGNED_TRAILER, trailer=trailer, spoil="trailer"))
    assert refusal(answer, s3, bucket) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("form", FORMS)
def test_wrong_signature_of_the_request_itself(http, s3, bucket, form):
    """The payload's form selects the check of the body and nothing else."""
    trailer = None if form == STREAM_SIGNED else crc32_trailer()
    request = streamed(http, f"/{bucket}/k", form, trailer=trailer).sign(secret_key="wrong")
    answer = request.send(encoded(request, form, trailer=trailer))
    assert refusal(answer, s3, bucket) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("form", FORMS)
def test_missing_final_chunk(http, s3, bucket, form):
    trailer = None if form == STREAM_SIGNED else crc32_trailer()
    whole = streamed(http, f"/{bucket}/k", form, trailer=trailer).sign()
    cut = encoded(whole, form, trailer=trailer)
    cut = cut[:cut.rindex(b"\r\n0") + 2]
    request = streamed(http, f"/{bucket}/k", form, trailer=trailer, encoded_length=len(cut)).sign()
    body = encoded(request, form, trailer=trailer)
    answer = request.send(body[:len(cut)])
    assert refusal(answer, s3, bucket) == (400, "IncompleteBody")


@pytest.mark.parametrize("wrong_by", [-1, 1])
@pytest.mark.parametrize("form", FORMS)
def test_decoded_length_differs(http, s3, bucket, form, wrong_by):
    trailer = None if form == STREAM_SIGNED else crc32_trailer()
    request = streamed(http, f"/{bucket}/k", form, trailer=trailer, x_amz_decoded_content_length=str(len(DATA) + wrong_by)).sign()
    status, code = refusal(request.send(encoded(request, form, trailer=trailer)), s3, bucket)
    assert status == 400 and code in ("IncompleteBody", "InvalidRequest")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("length, refused_as", [
    (None, (411, "MissingContentLength")), ("", (411, "MissingContentLength")), ("x", (400, "InvalidArgument")),
    ("-1", (400, "InvalidArgument")), (str(1 << 80), (400, "InvalidArgument")), (str(6 << 30), (400, "EntityTooLarge")),
    (str(1 << 30), (400, "InvalidRequest"))], ids=["missing", "empty", "x", "-1", "2^80", "6 GiB", "more than is sent"])
def test_decoded_length_missing_or_malformed(http, s3, bucket, form, length, refused_as):
    trailer = None if form == STREAM_SIGNED else crc32_trailer()
    request = streamed(http, f"/{bucket}/k", form, trailer=trailer, x_amz_decoded_content_length=length).sign()
    assert refusal(request.send(encoded(request, form, trailer=trailer)), s3, bucket) == refused_as


def test_trailer_announced_but_not_sent(http, s3, bucket):
    request = streamed(http, f"/{bucket}/k", STREAM_UNSIGNED_TRAILER, x_amz_trailer="x-amz-checksum-crc32").sign()
    answer = request.send(aws_chunked_unsigned(DATA))
    assert refusal(answer, s3, bucket) == (400, "MalformedTrailerError")


def test_another_trailer_than_announced(http, s3, bucket):
    sent = "x-amz-checksum-sha1", checksums.value("sha1", DATA)
    length = len(aws_chunked_unsigned(DATA, trailer=sent))
    request = streamed(http, f"/{bucket}/k", STREAM_UNSIGNED_TRAILER, x_amz_trailer="x-amz-checksum-crc32", encoded_length=length).sign()
    assert refusal(request.send(aws_chunked_unsigned(DATA, trailer=sent)), s3, bucket) == (400, "MalformedTrailerError")


def test_unknown_trailer(http, s3, bucket):
    trailer = "x-amz-checksum-rot13", "AAAA"
    request = streamed(http, f"/{bucket}/k", STREAM_UNSIGNED_TRAILER, trailer=trailer).sign()
    assert refusal(request.send(aws_chunked_unsigned(DATA, trailer=trailer)), s3, bucket) == (400, "InvalidRequest")


@pytest.mark.parametrize("body", [
    b"zz\r\nabc\r\n0\r\n\r\n", b"-3\r\nabc\r\n0\r\n\r\n", b"10000000000000003\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    b"3\nabc\n0\n\n", b"3;" + b"e" * 9000 + b"\r\nabc\r\n0\r\n\r\n", b"4\r\nabc\r\n0\r\n\r\n", b"\r\n", b"3\r\nabc0\r\n\r\n", b"abc"],
    ids=["not hex", "negative", "2^64+3", "2^64-1", "bare LF", "long extension", "size too large", "empty line", "no CRLF", "not chunked"])
def test_malformed_chunks(http, s3, bucket, body):
    request = streamed(http, f"/{bucket}/k", STREAM_UNSIGNED_TRAILER, b"abc", encoded_length=len(body)).sign()
    status, code = refusal(request.send(body), s3, bucket)
    assert status == 400 and code in ("InvalidRequest", "IncompleteBody", "InvalidChunkSizeError")


@pytest.mark.parametrize("sent, stored", [("gzip, aws-chunked", "gzip"), ("aws-chunked,gzip", "gzip"), ("aws-chunked", None),
                                          ("AWS-Chunked, aws-chunked", None), ("gzip,aws-chunked, br", "gzip,br")])
def test_aws_chunked_is_not_stored_as_an_encoding(http, s3, bucket, sent, stored):
    request = streamed(http, f"/{bucket}/k", STREAM_UNSIGNED_TRAILER, Content_Encoding=sent).sign()
    assert request.send(aws_chunked_unsigned(DATA)).status == 200
    found = s3.head_object(Bucket=bucket, Key="k").get("ContentEncoding")
    assert (found and found.replace(" ", "")) == stored


def test_aws_chunked_encoding_of_a_plain_body(http, s3, bucket):
    assert http.call("PUT", f"/{bucket}/k", b"plain", {"Content-Encoding": "aws-chunked"}).status == 200
    got = s3.get_object(Bucket=bucket, Key="k")
    assert body_of(got) == b"plain" and "ContentEncoding" not in got


@pytest.mark.parametrize("form", FORMS)
def test_a_streamed_part(http, s3, bucket, form):
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    trailer = None if form == STREAM_SIGNED else crc32_trailer()
    request = streamed(http, f"/{bucket}/k?partNumber=1&uploadId={upload_id}", form, trailer=trailer).sign()
    answer = request.send(encoded(request, form, trailer=trailer))
    assert answer.status == 200, answer
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": answer.headers["ETag"]}]})
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == DATA


def test_ecdsa_streams_are_not_implemented(http, s3, bucket):
    body = aws_chunked_unsigned(DATA)
    request = streamed(http, f"/{bucket}/k", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", encoded_length=len(body)).sign()
    assert refusal(request.send(body), s3, bucket) == (501, "NotImplemented")
