"""Where a request ends (docs/security.md, 22 and 23): a head or a chunk that two readers could read differently is 400, the connection is closed at
once, and nothing behind it is answered; for every method, with a right signature and without one, at /-/ and at an object."""
import re
import time

import pytest

import rawhttp
import tls
from conftest import Target
from server import Server

METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE"]
AT_ONCE_S = 1.5
CHUNK_LINE_MAX = 4096

# A line that goes into a head that is right otherwise.
LINES = {
    "coding gzip": b"Transfer-Encoding: gzip", "coding identity": b"Transfer-Encoding: identity", "two codings": b"Transfer-Encoding: gzip, chunked",
    "chunked last": b"Transfer-Encoding: chunked, identity", "coding in quotes": b'Transfer-Encoding: "chunked"', "coding with a tail": b"Transfer-Encoding: chunkedx",
    "empty coding": b"Transfer-Encoding:", "coding twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "coding and length": b"Content-Length: 5\r\nTransfer-Encoding: chunked", "two lengths": b"Content-Length: 5\r\nContent-Length: 6",
    "blank before the colon": b"Content-Length : 5", "tab before the colon": b"Content-Length\t: 5", "coding with a blank": b"Transfer-Encoding : chunked",
    "blank in a name": b"x y: 1", "a name that is no token": b"x(y): 1", "no name": b": 1", "no colon": b"nothing",
    "NUL in a value": b"x-a: a\x00b", "NUL at the end": b"x-a: a\x00", "NULs like line ends": b"x-a: a\x00\x00x-b: b", "NUL at the beginning": b"x-a: \x00",
    "NUL in a name": b"x\x00a: b", "NUL hides a length": b"x-a: a\x00Content-Length: 5",
    "CR in a value": b"x-a: a\rb", "CR at the beginning": b"x-a: \ra", "CR before the line's end": b"x-a: a\r", "CR in a name": b"x\ra: b",
    "CR hides a length": b"x-a: a\rContent-Length: 5", "LF alone": b"x-a: a\nx-b: b", "LF hides a length": b"x-a: a\nContent-Length: 5",
    "DEL": b"x-a: a\x7f", "escape": b"x-a: \x1b[31m", "folded": b"x-a: a\r\n b", "folded by a tab": b"x-a: a\r\n\tb", "folded coding": b"Transfer-Encoding:\r\n chunked",
    "folded length": b"Content-Length: 1\r\n 5", "length with a sign": b"Content-Length: +5", "length below zero": b"Content-Length: -5", "length in hex": b"Content-Length: 0x5",
    "length twice in one": b"Content-Length: 5, 5", "empty length": b"Content-Length:", "length of two numbers": b"Content-Length: 5 5",
}
TARGETS = {"object": "/no-such-bucket/k", "health": "/-/health", "admin": "/-/api/v1/status", "events": "/-/events",
           "lambda": "/2015-03-31/functions/baler/invocations"}


def head_of(raw, method, target, signed, line):
    request = raw.request(method, target, headers={"Content-Length": None}, payload_hash="UNSIGNED-PAYLOAD")
    if signed:
        request.sign()
    return request.head()[:-2] + line + b"\r\n\r\n"


def converse(raw, data):
    """Sends data and a good request behind it; all that came, whether the peer closed, and after how long."""
    text, closed, began = b"", False, time.monotonic()
    with raw.connect() as connection:
        connection.settimeout(AT_ONCE_S)
        try:
            connection.sendall(data + raw.request("GET", "/").sign().head())
            while not closed:
                more = connection.recv(65536)
                closed, text = more == b"", text + more
        except (ConnectionResetError, BrokenPipeError):
            closed = True
        except TimeoutError:
            pass
    return text, closed, time.monotonic() - began


def assert_refused(raw, data):
    text, closed, took = converse(raw, data)
    # libmicrohttpd writes the head of its own refusal of a Content-Length twice; the first one says "close"
    text = re.sub(rb"\A(HTTP/1\.1 400 .*?\r\n\r\n)\1(?=<html>|\Z)", rb"\1", text, flags=re.DOTALL)
    assert re.findall(rb"HTTP/1\.1 (\d\d\d) ", text) == [b"400"] and closed and took < AT_ONCE_S, (text, closed, took)
    assert b"ListAllMyBucketsResult" not in text
    assert re.search(rb"\r\nConnection: close\r\n", text, re.IGNORECASE), text


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory):
    authority = tls.Authority(tmp_path_factory.mktemp("ca"))
    cert, key = authority.issue("framing")
    server = Server("--tls-cert", str(cert), "--tls-key", str(key), data=str(tmp_path_factory.mktemp("framing") / "s"))
    target = Target(server.endpoint, server.access_key, server.secret_key, str(authority.cert))
    yield tls.Http(target)
    assert server.stop() == 0, server.log_tail()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("line", LINES)
def test_a_head_that_can_be_read_in_two_ways(http, method, line):
    for signed in (True, False):
        assert_refused(http, head_of(http, method, TARGETS["object"], signed, LINES[line]))


@pytest.mark.parametrize("where", TARGETS)
@pytest.mark.parametrize("line", ["coding gzip", "blank before the colon", "NUL hides a length", "CR hides a length", "folded length"])
def test_at_every_dialect(http, where, line):
    for method in ("GET", "POST"):
        assert_refused(http, head_of(http, method, TARGETS[where], True, LINES[line]))


@pytest.mark.parametrize("line", ["coding gzip", "NUL in a value", "CR in a value", "LF alone", "folded"])
def test_over_tls(over_tls, line):
    assert_refused(over_tls, head_of(over_tls, "PUT", TARGETS["object"], True, LINES[line]))


@pytest.mark.parametrize("first", [b"GET  / HTTP/1.1", b"GET /\x00 HTTP/1.1", b"GET /a\rb HTTP/1.1", b"GET /?a=\x01 HTTP/1.1", b"G\x00ET / HTTP/1.1", b"G(T / HTTP/1.1",
                                   b"GET /\x7f HTTP/1.1", b"GET / HTTP/1.1\r"])
def test_the_first_line(http, first):
    """400, or the library closes without a word where it finds no line at all."""
    text, closed, took = converse(http, first + b"\r\nHost: x\r\n\r\n")
    assert set(re.findall(rb"HTTP/1\.1 (\d\d\d) ", text)) <= {b"400", b"505"} and closed and took < AT_ONCE_S, text
    assert text.count(b"HTTP/1.1 ") <= 1


def test_a_coding_in_http_1_0(http):
    head = head_of(http, "PUT", TARGETS["object"], True, b"Transfer-Encoding: chunked").replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)
    assert_refused(http, head + b"1\r\nx\r\n0\r\n\r\n")


CHUNKS = {
    "long extension": b"5;" + b"a" * CHUNK_LINE_MAX + b"\r\nhello\r\n0\r\n\r\n", "long value": b'5;a="' + b"b" * 8000 + b'"\r\nhello\r\n0\r\n\r\n',
    "in the second": b"5\r\nhello\r\n5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n", "leading zeros": b"0" * 5000 + b"5\r\nhello\r\n0\r\n\r\n",
    "LF behind the size": b"5\nhello\r\n0\r\n\r\n", "NUL in an extension": b"5;a\x00b\r\nhello\r\n0\r\n\r\n", "CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "no size": b";a\r\nhello\r\n0\r\n\r\n", "blank": b"5 \r\nhello\r\n0\r\n\r\n", "sign": b"+5\r\nhello\r\n0\r\n\r\n", "prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "no line end behind the data": b"5\r\nhelloworld\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("chunks", CHUNKS)
def test_a_chunk_that_can_be_read_in_two_ways(http, method, chunks):
    for signed in (True, False):
        assert_refused(http, head_of(http, method, TARGETS["object"], signed, b"Transfer-Encoding: chunked") + CHUNKS[chunks])


@pytest.mark.parametrize("trailer", [b"x : 1\r\n", b"x: a\rb\r\n", b"x: a\r\n b\r\n", b"x: a\r\ny: b\x1b\r\n"])
def test_a_trailer_that_can_be_read_in_two_ways(http, module_bucket, trailer):
    """The delete of many is refused for its trailer, as the body before it is read in full."""
    head = head_of(http, "POST", f"/{module_bucket}?delete", True, b"Transfer-Encoding: chunked")
    assert_refused(http, head + b"5\r\nhello\r\n0\r\n" + trailer + b"\r\n")


# ---- and what is right goes on to be right


def test_what_is_right_passes(http, module_bucket):
    """Heads of any size, empty lines before a request, extensions that are short, blanks around values, one request behind another."""
    target = f"/{module_bucket}/framed"
    put = http.request("PUT", target, b"hello", headers={"x-filler": "f" * 50_000}).sign()
    assert put.send().status == 200
    many = http.request("GET", target).sign()
    many.headers += [(f"x-{n}", "v" * (n % 50)) for n in range(80)]
    answer = many.send()
    assert answer.body == b"hello", answer
    head = http.request("GET", target).sign().head()
    text, closed, _ = converse(http, b"\r\n\r\n" + head + head.replace(b"\r\nHost: ", b"\r\nHost:\t  ") + head)
    assert re.findall(rb"HTTP/1\.1 (\d\d\d) ", text) == [b"200"] * 4 and not closed


@pytest.mark.parametrize("size", [1, 100, 70_000, 300_000])
def test_chunks_that_are_right_pass(http, module_bucket, size):
    body = bytes(i % 251 for i in range(300_000))
    request = http.request("PUT", f"/{module_bucket}/chunked-{size}", b"", payload_hash="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                           headers={"Content-Length": None, "Transfer-Encoding": "chunked", "Content-Encoding": "aws-chunked"})
    body = body[:2000] if size == 1 else body
    request.set("x-amz-decoded-content-length", str(len(body)))
    wire = rawhttp.aws_chunked_unsigned(body)
    chunks = b"".join(b"%x;n=%d\r\n%s\r\n" % (len(c), len(c), c) for c in rawhttp.chunks_of(wire, size)) + b"0;last\r\nx-t: 1\r\nx-u: 2\r\n\r\n"
    answer = request.sign().send(chunks)
    assert answer.status == 200, answer
    assert http.call("GET", f"/{module_bucket}/chunked-{size}").body == body
