"""Requests that no client library sends: lengths that lie, broken framing, bodies nobody may read, names nobody may use."""
import contextlib
import hashlib
import pathlib
import resource
import socket
import threading
import time

import pytest

from helpers import body_of
from rawhttp import STREAM_SIGNED, Http, read_answer
from server import Server

BODY = b"0123456789" * 100


def nothing_there(s3, bucket):
    listed = s3.list_object_versions(Bucket=bucket)
    return "Versions" not in listed and "DeleteMarkers" not in listed


@pytest.mark.parametrize("size", [1000, 300_000, 3 << 20], ids=lambda n: f"{n} bytes")
@pytest.mark.parametrize("close", ["half", "whole"])
def test_body_shorter_than_declared(http, s3, bucket, size, close):
    """Nothing is committed, and a peer that has stopped sending is let go of within seconds."""
    body = b"x" * size
    request = http.request("PUT", f"/{bucket}/k", body).sign()
    with http.connect() as connection:
        connection.settimeout(5)
        connection.sendall(request.head() + body[:-1])
        if close == "half":
            connection.shutdown(socket.SHUT_WR)
            answer = read_answer(connection)
            assert answer is None or (answer.status == 400 and answer.code in ("IncompleteBody", "RequestTimeout"))
    time.sleep(0.2)
    assert nothing_there(s3, bucket)


def test_body_longer_than_declared(http, s3, bucket):
    """What comes after the declared length is another request, and a bad one."""
    request = http.request("PUT", f"/{bucket}/k", BODY).sign()
    answer = request.send(BODY + b"more of it\r\n\r\n")
    assert answer.status == 200
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == BODY
    request = http.request("PUT", f"/{bucket}/k2", BODY).set("Content-Length", "10").sign()
    answer = request.send()
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "18446744073709551616", "0x10", "10, 10", ""])
def test_malformed_content_length(http, s3, bucket, length):
    request = http.request("PUT", f"/{bucket}/k", b"0123456789").set("Content-Length", length).sign()
    answer = request.send()
    assert answer is None or answer.status in (400, 413)
    assert nothing_there(s3, bucket)


def test_content_length_and_transfer_encoding_together(http, s3, bucket):
    for body in (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"):
        request = http.request("PUT", f"/{bucket}/k", b"0123456789").set("Transfer-Encoding", "chunked").sign()
        answer = request.send(body)
        assert answer is None or answer.status == 400
    assert nothing_there(s3, bucket)


def test_two_content_lengths(http, s3, bucket):
    request = http.request("PUT", f"/{bucket}/k", b"0123456789").sign()
    request.headers.append(("Content-Length", "5"))
    answer = request.send()
    assert answer is None or answer.status in (400, 403)
    assert nothing_there(s3, bucket)


def test_unknown_transfer_encodings(http, s3, bucket):
    for coding in ("chunked, chunked", "gzip", "xchunked", "identity, chunked"):
        request = http.request("PUT", f"/{bucket}/k", b"").set("Content-Length", None).set("Transfer-Encoding", coding).sign()
        answer = request.send(b"0\r\n\r\n")
        assert answer is None or answer.status >= 400, coding
    assert nothing_there(s3, bucket)


def test_no_length_at_all(http, s3, bucket):
    request = http.request("PUT", f"/{bucket}/k", b"", payload_hash="UNSIGNED-PAYLOAD").set("Content-Length", None).sign()
    answer = request.send()
    assert (answer.status, answer.code) == (411, "MissingContentLength") and nothing_there(s3, bucket)


def test_a_plain_chunked_put_is_whole_or_refused(http, s3, bucket):
    """S3 answers 411; taking the body is allowed too, cutting it is not."""
    request = http.request("PUT", f"/{bucket}/k", BODY).set("Content-Length", None).set("Transfer-Encoding", "chunked").sign()
    answer = request.send(b"3e8\r\n" + BODY + b"\r\n0\r\n\r\n")
    if answer.status == 200:
        assert body_of(s3.get_object(Bucket=bucket, Key="k")) == BODY
    else:
        assert (answer.status, answer.code) in [(411, "MissingContentLength"), (501, "NotImplemented")] and nothing_there(s3, bucket)


def test_a_broken_http_chunk(http, s3, bucket):
    request = http.request("PUT", f"/{bucket}/k", BODY).set("Content-Length", None).set("Transfer-Encoding", "chunked").sign()
    for body in (b"zz\r\n", b"ffffffffffffffffff\r\n", b"3e8\r\n" + BODY[:100]):
        answer = request.send(body, then_close=True)
        assert answer is None or answer.status >= 400
    assert nothing_there(s3, bucket)


@pytest.mark.parametrize("expect", ["100-continue", "100-Continue"])
def test_expect_100_continue(http, s3, bucket, expect):
    request = http.request("PUT", f"/{bucket}/k", BODY, {"Expect": expect}).sign()
    with http.connect() as connection:
        connection.sendall(request.head())
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(BODY)
        assert read_answer(connection).status == 200
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == BODY


@pytest.mark.parametrize("why, status, code", [("signature", 403, "SignatureDoesNotMatch"), ("no auth", 403, "AccessDenied"),
                                               ("bucket", 404, "NoSuchBucket"), ("key", 400, "KeyTooLongError"),
                                               ("too large", 400, "EntityTooLarge")])
@pytest.mark.parametrize("expects", [True, False], ids=["expect", "plain"])
def test_refused_before_the_body_is_read(http, s3, bucket, why, status, code, expects):
    """The answer comes though not one byte of the body was sent, and without "100 Continue"."""
    where = {"bucket": "no-such-bucket-here/k", "key": f"{bucket}/{'k' * 1025}"}.get(why, f"{bucket}/k")
    request = http.request("PUT", "/" + where, b"", {"Expect": "100-continue"} if expects else {})
    request.set("Content-Length", str(6 << 30 if why == "too large" else 1 << 30))
    request.payload_hash = "UNSIGNED-PAYLOAD"
    if why != "no auth":
        request.sign(secret_key="wrong" if why == "signature" else None)
    with http.connect() as connection:
        connection.sendall(request.head())
        answer = read_answer(connection)
    assert (answer.status, answer.code) == (status, code)
    assert nothing_there(s3, bucket)


def test_refused_while_the_body_is_on_its_way(http, s3, bucket):
    """A client that sends on regardless still gets the answer, or a closed connection; the server stays well."""
    request = http.request("PUT", f"/{bucket}/k", b"x" * (20 << 20)).sign(secret_key="wrong")
    answer = request.send()
    assert answer is None or (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    assert nothing_there(s3, bucket)


def refused_puts(http, bucket):
    """Uploads that are refused before their body, in its first chunk, and without a known length; each with how it goes on."""
    whole = http.request("PUT", f"/{bucket}/k", b"", {"Content-Length": str(64 << 20)}, "UNSIGNED-PAYLOAD").sign(secret_key="wrong")
    yield "before a long body", whole.head(), b"x" * 65536
    small = http.request("PUT", f"/{bucket}/k", b"", {"Content-Length": str(200 << 10)}, "UNSIGNED-PAYLOAD").sign(secret_key="wrong")
    yield "before a short body", small.head(), b"x"
    chunked = http.request("PUT", f"/{bucket}/k", b"", {"Content-Length": None, "Transfer-Encoding": "chunked"}, "UNSIGNED-PAYLOAD").sign(secret_key="wrong")
    yield "before chunks", chunked.head(), b"1000\r\n" + b"x" * 4096 + b"\r\n"
    signed = http.request("PUT", f"/{bucket}/k", b"", {"Content-Length": str(64 << 20), "x-amz-decoded-content-length": str(60 << 20)}, STREAM_SIGNED).sign()
    yield "in the first chunk", signed.head() + b"10000;chunk-signature=" + b"0" * 64 + b"\r\n" + b"x" * 65536 + b"\r\n", b"x" * 65536


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("pause_s", [0, 0.1], ids=["fast", "slow"])
def test_security_25_a_refused_body_is_not_read_for_long(http, s3, bucket, number, pause_s):
    """For 2 s or 256 KiB, and what the socket's buffers hold; then the connection is closed. The client has the answer all the same."""
    what, head, more = list(refused_puts(http, bucket))[number]
    sent, began, answer = 0, time.monotonic(), b""
    with http.connect() as connection:
        connection.sendall(head)
        connection.settimeout(5)
        while time.monotonic() - began < 10:
            try:
                connection.sendall(more)
                sent += len(more)
            except OSError:
                break
            time.sleep(pause_s)
        took = time.monotonic() - began
        with contextlib.suppress(OSError):
            while data := connection.recv(65536):
                answer += data
    assert took < 6 and sent < 16 << 20, (what, took, sent)
    assert answer.startswith(b"HTTP/1.1 403 ") and answer.count(b"HTTP/1.1") == 1, (what, answer)
    assert nothing_there(s3, bucket)


def test_unknown_expectations_are_ignored(http, s3, bucket):
    for number, expect in enumerate(("200-ok", "")):
        answer = http.request("PUT", f"/{bucket}/k{number}", BODY, {"Expect": expect}).sign().send()
        assert answer.status in (200, 417)


@pytest.mark.parametrize("name", ["ab", "a" * 64, "UpperCase", "under_score", "192.168.5.4", "two..dots", "dash-.dot", "dot.-dash",
                                  "-start", "end-", ".start", "end.", "sp%20ace", "%E2%82%AC%E2%82%AC%E2%82%AC", "a%2F%2Fb"])
def test_bad_bucket_names(http, name):
    answer = http.call("PUT", f"/{name}")
    assert (answer.status, answer.code) == (400, "InvalidBucketName")


@pytest.mark.parametrize("path", ["/%00", "/{b}/%00", "/{b}/a%00b", "/{b}/%", "/{b}/%4", "/{b}/%zz", "/{b}/%FF%FE", "/{b}/%C0%AF",
                                    "/{b}/%ED%A0%80"], ids=str)
def test_keys_that_cannot_be(http, s3, bucket, path):
    answer = http.call("PUT", path.format(b=bucket), b"x")
    assert answer is not None and answer.status == 400 and answer.code in ("InvalidURI", "InvalidBucketName", "InvalidArgument")
    assert nothing_there(s3, bucket)


@pytest.mark.parametrize("path", ["/{b}/k?acl", "/{b}?policy", "/{b}?lifecycle", "/{b}?website", "/{b}/k?torrent", "/{b}?cors", "/{b}/k?select&select-type=2"])
def test_what_is_not_implemented_says_so(http, s3, bucket, path):
    """Never a silent success, and nothing that an SDK would retry."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"b")
    for method in ("PUT", "POST"):
        answer = http.call(method, path.format(b=bucket), b"<x/>")
        assert answer.status in range(400, 500) or answer.status == 501, answer
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"b"
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1


@pytest.mark.parametrize("header", ["x-amz-server-side-encryption", "x-amz-server-side-encryption-customer-algorithm", "x-amz-object-lock-mode",
                                    "x-amz-bypass-governance-retention", "x-amz-tagging", "x-amz-write-offset-bytes", "x-amz-website-redirect-location"])
def test_promises_that_cannot_be_kept_are_refused(http, s3, bucket, header):
    """Who asks for encryption or a lock must not be told yes."""
    answer = http.call("PUT", f"/{bucket}/k", b"b", {header: "AES256"})
    assert answer.status in (400, 501) and nothing_there(s3, bucket)


@pytest.mark.parametrize("document", [b"<no xml", b"<Other/>", b"<VersioningConfiguration><Status>Perhaps</Status></VersioningConfiguration>",
                                      b"<VersioningConfiguration></VersioningConfiguration>x", b"", b"<a>" * 100_000,
                                      b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><VersioningConfiguration/>'],
                         ids=["text", "root", "status", "trailing", "empty", "deep", "doctype"])
def test_malformed_versioning(http, s3, bucket, document):
    answer = http.call("PUT", f"/{bucket}?versioning", document)
    assert answer.status == 400 and answer.code in ("MalformedXML", "IllegalVersioningConfigurationException", "MissingRequestBodyError",
                                                 "MaxMessageLengthExceeded")  # a document that would need too much memory
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_a_document_larger_than_any_real_one(http, s3, bucket):
    document = b"<Delete>" + b"<Object><Key>" + b"k" * 1000 + b"</Key></Object>" + b" " * (4 << 20) + b"</Delete>"
    answer = http.call("POST", f"/{bucket}?delete", document)
    assert answer is None or (answer.status == 400 and answer.code in ("MalformedXML", "MaxMessageLengthExceeded", "EntityTooLarge", "InvalidRequest"))


def test_huge_headers(http, bucket):
    answer = http.request("GET", f"/{bucket}/k", headers={"x-amz-meta-a": "v" * 300_000}).sign().send()
    assert answer is None or answer.status in (400, 413, 414, 431)
    many = http.request("GET", f"/{bucket}/k", headers={f"x-amz-meta-{i}": "v" for i in range(2000)}).sign().send()
    assert many is None or many.status in (400, 413, 431)


@pytest.mark.parametrize("text", [b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/9.9\r\n\r\n",
                                  b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"A" * 100_000],
                         ids=["empty", "word", "TLS", "version", "fold", "HTTP/2", "endless"])
def test_what_is_not_http(http, s3, text):
    with http.connect() as connection:
        connection.settimeout(3)
        try:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            first = connection.recv(4096)
        except OSError:
            first = b""
    assert first == b"" or first.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5", b"HTTP/1.0 4", b"HTTP/1.0 5"))
    s3.list_buckets()


def test_requests_behind_each_other_on_one_connection(http, s3, bucket):
    heads = b"".join(http.request("PUT", f"/{bucket}/p{i}", b"%d" % i).sign().head() + b"%d" % i for i in range(50))
    with http.connect() as connection:
        connection.sendall(heads)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        deadline = time.monotonic() + 10
        while s3.list_objects_v2(Bucket=bucket)["KeyCount"] < 50 and time.monotonic() < deadline:
            time.sleep(0.1)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 50


def test_a_hundred_idle_connections_are_no_hindrance(http, s3, bucket):
    idle = [http.connect() for _ in range(100)]
    try:
        for connection in idle[::2]:
            connection.sendall(b"PUT /x HTTP/1.1\r\nHost: ")
        s3.put_object(Bucket=bucket, Key="k", Body=b"b")
    finally:
        for connection in idle:
            connection.close()


@pytest.fixture
def many_files():
    """Room for 2,000 sockets on our side."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3000:
        pytest.skip(f"only {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_security_25_two_thousand_connections_that_do_nothing(many_files, tmp_path):
    """Twice as many as are served at a time: silent, with half a head, with half a body. Others get through, and memory has a ceiling."""
    server = Server(data=str(tmp_path / "s"))
    http = Http("127.0.0.1", int(server.endpoint.rsplit(":", 1)[1]), server.access_key, server.secret_key)
    body = http.request("PUT", "/data-aggregator-landing-dev/slow", b"x" * 100_000).sign(secret_key="wrong").head() + b"x" * 1000
    try:
        for first in (b"", b"PUT /bucket/key HTTP/1.1\r\nHost: ", body):
            waiting = []
            for number in range(2000):
                waiting.append(http.connect())
                try:
                    waiting[-1].sendall(first if first is not body or number % 4 == 0 else b"")
                except OSError:
                    pass  # had to make room already
            for _ in range(10):
                assert http.call("GET", "/").status == 200
            for connection in waiting:
                connection.close()
        peak = next(line for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
        assert int(peak.split()[1]) < 256 << 10, peak
    finally:
        assert server.stop() == 0, server.log_tail()


def test_two_writers_of_one_key(http, s3, bucket):
    """Each put is whole: the latest is one of them, all are versions."""
    bodies = [hashlib.shake_128(b"%d" % i).digest(200_000) for i in range(8)]
    threads = [threading.Thread(target=http.call, args=("PUT", f"/{bucket}/k", body)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) in bodies
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    found = [body_of(s3.get_object(Bucket=bucket, Key="k", VersionId=v["VersionId"])) for v in versions]
    assert sorted(found) == sorted(bodies)


def test_create_if_absent_has_one_winner(http, bucket):
    statuses = []
    def put(i):
        statuses.append(http.call("PUT", f"/{bucket}/k", b"%d" % i, {"If-None-Match": "*"}).status)
    threads = [threading.Thread(target=put, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(200) == 1 and set(statuses) <= {200, 409, 412}
