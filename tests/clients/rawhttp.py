"""HTTP/1.1 over a socket, and SigV4 by hand: for requests that no client library would send.

The signer follows the S3 API reference, "Authenticating Requests (AWS Signature Version 4)", and knows nothing of baler's own.
"""
import base64
import datetime
import hashlib
import hmac
import http.client
import re
import socket
import urllib.parse
import xml.etree.ElementTree as ElementTree

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
STREAM_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAM_SIGNED_TRAILER = STREAM_SIGNED + "-TRAILER"
STREAM_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
TIMEOUT_S = 20


def hmac_sha256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def quote(text, safe="-._~"):
    return urllib.parse.quote(text, safe=safe)


class Signature:
    """One request's SigV4 signature, and the chain of chunk signatures that starts from it."""

    def __init__(self, secret_key, method, target, headers, signed, payload_hash, amz_date, scope):
        path, _, query = target.partition("?")
        pairs = sorted(tuple(p.partition("=")[::2]) for p in query.split("&") if p)
        lower = {}
        for name, value in headers:
            lower.setdefault(name.lower(), []).append(" ".join(value.split()))
        canonical = "\n".join([
            method, path, "&".join(f"{k}={v}" for k, v in pairs),
            "".join(f"{name}:{','.join(lower.get(name, ['']))}\n" for name in signed),
            ";".join(signed), payload_hash])
        self.amz_date, self.scope = amz_date, scope
        date, region, service, _ = scope.split("/")
        key = hmac_sha256(("AWS4" + secret_key).encode(), date)
        for part in (region, service, "aws4_request"):
            key = hmac_sha256(key, part)
        self.key = key
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        self.value = self._sign(f"AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n{digest}")

    def _sign(self, text):
        return hmac_sha256(self.key, text).hex()

    def chunk(self, data):
        """The next chunk's signature; becomes the previous one."""
        self.value = self._sign("\n".join(["AWS4-HMAC-SHA256-PAYLOAD", self.amz_date, self.scope, self.value,
                                           EMPTY_SHA256, hashlib.sha256(data).hexdigest()]))
        return self.value

    def trailer(self, text):
        return self._sign("\n".join(["AWS4-HMAC-SHA256-TRAILER", self.amz_date, self.scope, self.value,
                                     hashlib.sha256(text.encode()).hexdigest()]))


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def code(self):
        """The <Code> of an error document."""
        return self.element("Code")

    def element(self, name):
        try:
            document = ElementTree.fromstring(self.body)
        except ElementTree.ParseError:
            return None
        for element in document.iter():
            if element.tag.rpartition("}")[2] == name:
                return element.text
        return None

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Request:
    """What would be sent; a test bends it before send(). Unset fields are filled in by sign()."""

    def __init__(self, owner, method, target, body=b"", headers=(), payload_hash=None):
        self.owner, self.method, self.target, self.body = owner, method, target, body
        self.headers = [("Host", f"{owner.host}:{owner.port}")]
        if method in ("PUT", "POST"):
            self.headers.append(("Content-Length", str(len(body))))
        for name, value in dict(headers).items():
            self.set(name, value)
        self.payload_hash = payload_hash or hashlib.sha256(body).hexdigest()
        self.signature = None

    def set(self, name, value):
        """Replaces a header; None removes it."""
        self.headers = [(n, v) for n, v in self.headers if n.lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))
        return self

    def get(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def sign(self, *, access_key=None, secret_key=None, skew_s=0, date=None, region="us-east-1", service="s3",
             terminator="aws4_request", scope_date=None, unsigned=()):
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=skew_s)
        amz_date = date or now.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{scope_date or amz_date[:8]}/{region}/{service}/{terminator}"
        self.set("x-amz-date", amz_date)
        self.set("x-amz-content-sha256", self.payload_hash)
        left_out = {"expect", "connection", "transfer-encoding", "authorization", *unsigned}
        signed = sorted({n.lower() for n, _ in self.headers} - left_out)
        self.signature = Signature(secret_key or self.owner.secret_key, self.method, self.target, self.headers, signed,
                                   self.payload_hash, amz_date, scope)
        credential = f"{access_key or self.owner.access_key}/{scope}"
        self.set("Authorization", f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={';'.join(signed)}, "
                                  f"Signature={self.signature.value}")
        return self

    def head(self):
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{n}: {v}" for n, v in self.headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")

    def send(self, body=None, then_close=False):
        """Sends and reads one answer. then_close: no more is sent after body, while more was promised."""
        with self.owner.connect() as connection:
            try:
                connection.sendall(self.head() + (self.body if body is None else body))
                if then_close:
                    connection.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before the end of the body; the answer may be there all the same
            return read_answer(connection, self.method)


def read_answer(connection, method="GET"):
    """One answer; None when the peer closed without one."""
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        return Answer(response)
    except (http.client.BadStatusLine, ConnectionResetError, BrokenPipeError):
        return None


class Http:
    def __init__(self, host, port, access_key, secret_key):
        self.host, self.port, self.access_key, self.secret_key = host, port, access_key, secret_key

    def connect(self):
        connection = socket.create_connection((self.host, self.port), TIMEOUT_S)
        connection.settimeout(TIMEOUT_S)
        return connection

    def request(self, method, target, body=b"", headers=(), payload_hash=None):
        return Request(self, method, target, body, headers, payload_hash)

    def call(self, method, target, body=b"", headers=(), payload_hash=None):
        """Signed as it should be."""
        return self.request(method, target, body, headers, payload_hash).sign().send()


def chunks_of(data, size):
    return [data[i:i + size] for i in range(0, len(data), size)]


def http_chunked(body, size=1000):
    """HTTP's own transfer coding."""
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks_of(body, size)) + b"0\r\n\r\n"


def aws_chunked_unsigned(data, size=65536, trailer=None):
    body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks_of(data, size))
    return body + b"0\r\n" + (f"{trailer[0]}:{trailer[1]}\r\n".encode() if trailer else b"") + b"\r\n"


def aws_chunked_signed(signature, data, size=65536, trailer=None, spoil=None, line_end="\r\n"):
    """spoil: the number of the chunk (the final, empty one included) whose signature is made wrong, or "trailer"."""
    body = b""
    for number, chunk in enumerate(chunks_of(data, size) + [b""]):
        good = signature.chunk(chunk)
        shown = good[::-1] if spoil == number else good
        body += b"%x;chunk-signature=%s\r\n%s" % (len(chunk), shown.encode(), chunk)
        body += b"\r\n" if chunk else b""
    if trailer:
        good = signature.trailer(f"{trailer[0]}:{trailer[1]}\n")
        shown = good[::-1] if spoil == "trailer" else good
        body += f"{trailer[0]}:{trailer[1]}{line_end}x-amz-trailer-signature:{shown}\r\n".encode()
    return body + b"\r\n"


def aws_chunked_signed_length(data, size, trailer=None, line_end="\r\n"):
    class Blank:
        def chunk(self, _):
            return "0" * 64

        def trailer(self, _):
            return "0" * 64
    return len(aws_chunked_signed(Blank(), data, size, trailer, line_end=line_end))


def base64_of(raw):
    return base64.b64encode(raw).decode()


def is_request_id(text):
    return bool(text and re.fullmatch(r"[0-9A-Z]{16}", text))
