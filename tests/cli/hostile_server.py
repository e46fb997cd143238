"""A server that answers every request of every command with what a stranger might send. One behaviour a time."""
import itertools
import json
import re
import socketserver
import threading

EVIL = "\x1b]0;owned\x07\x1b[2J\r\n\x08\x9b31m\x90q\x9c\u202e\u2066\u2028\ufeff\x7fevil"
EVIL_BYTES = EVIL.encode() + b"\x9b31m\x90\x85\xff\xc0\x9b"
EVIL_XML = EVIL.translate({i: None for i in (*range(32),)}) + "&#xD;&#xA;&#x9b;"     # as far as XML 1.0 can hold it
ID = "0123456789abcdef"


def document(n=0):
    """Every member that any command asks for, each text of it evil."""
    dead = {"id": ID, "died": EVIL, "sent": EVIL, "code": EVIL, "reason": EVIL, "attempts": -1, "message": EVIL,
            "objects": [{"key": EVIL, "bucket": EVIL, "version": EVIL}]}
    return {
        "version": EVIL, "time": EVIL, "uptime_ms": 2 ** 63 - 1, "queue": {"visible": -5, "oldest_ms": 2 ** 62, "dead_letters": 1},
        "plans": {}, "landing": {"bucket": EVIL, "bytes": 1}, "distribution": {"bucket": EVIL}, "memory": {"shares": [{"name": EVIL}]},
        "alarms": [{"name": EVIL, "severity": EVIL, "since": EVIL, "text": EVIL, "meaning": EVIL}],
        "last_error": {"time": EVIL, "event": EVIL, "text": EVIL},
        "place": EVIL, "why": EVIL, "bundle_key": EVIL, "bundle_bucket": EVIL, "dead_letter": EVIL, EVIL: EVIL,
        "dead_letters": [dead], "last": ID, "truncated": False,
        "results": [{"id": EVIL, "outcome": outcome, "why": EVIL, "message_id": EVIL} for outcome in ("done", "not-there", EVIL)],
        "keys": [{"access_key": EVIL, "role": EVIL, "created": EVIL, "revoked": EVIL, "note": EVIL}],
        "access_key": f"AKIA{n or EVIL}", "secret_key": EVIL, "role": EVIL, "revoked": EVIL, "outcome": EVIL, **dead}


def listing(truncated="false", token="", key="2026/bundle-" + EVIL_XML + ".tar.gz"):
    return (f'<?xml version="1.0"?><ListBucketResult><IsTruncated>{truncated}</IsTruncated>'
            f"<NextContinuationToken>{token}</NextContinuationToken><Contents><Key>{key}</Key><Size>30</Size>"
            f"<LastModified>2026-11-23T11:00:00Z</LastModified><ETag>\"{EVIL_XML}\"</ETag></Contents></ListBucketResult>").encode()


def error_xml():
    return f"<Error><Code>{EVIL_XML}</Code><Message>{EVIL_XML}</Message><Region>{EVIL_XML}</Region></Error>".encode()


def answer(body, status="200 OK", *headers):
    lines = [f"HTTP/1.1 {status}".encode(), f"Content-Length: {len(body)}".encode(), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def is_admin(path):
    return path.startswith("/-/")


def evil_text(method, path):
    if is_admin(path):
        return [answer(json.dumps(document()).encode())]
    if method == "GET" and "list-type" in path:
        return [answer(listing())]
    return [answer(b"\x1f\x8b" + EVIL_BYTES, "200 OK", b"Last-Modified: Mon, 23 Nov 2026 11:00:00 GMT",
                   b"x-amz-meta-content-sha256: " + EVIL_BYTES.replace(b"\r\n", b""), b"ETag: " + b"\x9b31m\x1b[2J",
                   b"x-amz-version-id: \x1b[2J")]


def evil_error(status):
    def respond(_, path):
        body = json.dumps({"error": {"code": EVIL, "message": EVIL}}).encode() if is_admin(path) else error_xml()
        return [answer(body, status + " \x9b2J\x1b[2J", b"x-amz-bucket-region: \x1b[2J\x9b")]
    return respond


def endless(head, piece):
    def respond(*_):
        return itertools.chain([head], itertools.repeat(piece))
    return respond


def redirect(_, path):
    return [answer(b"", "307 Temporary Redirect", b"Location: http://127.0.0.1:%d" % redirect.port + path.encode())]


def lying_pages(_, path):
    """There is always one more page, and it is this one."""
    if is_admin(path):
        return [answer(json.dumps(document() | {"truncated": True, "last": "f" * 16}).encode())]
    return [answer(listing("true", "again"))]


def empty_pages(_, path):
    """There is always one more page, of another token, with nothing in it."""
    if is_admin(path):
        return [answer(json.dumps(document() | {"truncated": True, "dead_letters": [], "last": "f" * 16}).encode())]
    empty_pages.n += 1
    return [answer(f"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>{empty_pages.n}"
                   "</NextContinuationToken></ListBucketResult>".encode())]


empty_pages.n = 0


def whole(body, *headers):
    return lambda *_: [answer(body, "200 OK", *headers)]


OK = b"HTTP/1.1 200 OK\r\n"
CHUNK = b"%x\r\n%s\r\n" % (65536, b"\x1b[2J\x9b]" * 9362 + b"xy")
BEHAVIOURS = {
    "evil text": evil_text,
    "evil 400": evil_error("400"), "evil 403": evil_error("403"), "evil 404": evil_error("404"), "evil 500": evil_error("500"),
    "evil 301": evil_error("301"),
    "raw bytes": whole(EVIL_BYTES),
    "raw bytes in JSON": whole(b'{"error":{"message":"' + b"\x9b31m\xff" + b'"}}'),
    "a web page": whole(b"<html><body>\x1b[2J Welcome</body></html>", b"Content-Type: text/html"),
    "an error as 200": whole(error_xml(), b"Content-Type: text/plain"),
    "a JSON error as 200": whole(json.dumps({"error": {"code": "x", "message": EVIL}}).encode()),
    "nothing": whole(b""), "null": whole(b"null"), "an array": whole(b"[]"), "an empty object": whole(b"{}"),
    "wrong types": whole(json.dumps({name: 7 for name in document()}).encode()),
    "deep JSON": whole(b"[" * 100000), "deep XML": whole(b"<a>" * 100000),
    "an endless body": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK),
    "an endless error": endless(b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK),
    "endless headers": endless(OK, b"x-amz-meta-a: \x1b[2J\x9b\r\n"),
    "an endless header": endless(OK + b"x-a: ", b"\x1b[2J\x9b" * 1000),
    "endless interim answers": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "an endless status line": endless(b"HTTP/1.1 200 ", b"\x1b[2J\x9b" * 1000),
    "no HTTP": lambda *_: [EVIL_BYTES * 10],
    "an end at once": lambda *_: [b""],
    "an end in the headers": lambda *_: [OK + b"Content-Le"],
    "an end in the body": lambda *_: [OK + b"Content-Length: 1000\r\n\r\n\x1b[2J"],
    "a redirect": redirect,
    "lying pages": lying_pages, "empty pages": empty_pages,
}


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while self.one():
                pass
        except OSError:
            pass    # the client has had enough

    def one(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline(65536)
            if not line:
                return False
            head += line
        method, path = head.decode("latin-1").split(" ", 2)[:2]
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        left = int(length.group(1)) if length else 0
        if b"100-continue" in head:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while left:
            left -= len(self.rfile.read(min(left, 65536))) or left
        self.server.n_requests += 1
        for piece in BEHAVIOURS[self.server.behaviour](method, path):
            self.wfile.write(piece)
        return self.server.behaviour in ("evil text", "lying pages", "empty pages")


class HostileServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, behaviour="evil text"):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour, self.n_requests = behaviour, 0
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_):
        pass

    def close(self):
        self.shutdown()
        self.server_close()
