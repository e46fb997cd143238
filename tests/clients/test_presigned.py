"""Presigned URLs: those that boto3 and the JavaScript SDK make, and by hand what neither would."""
import datetime
import http.client
import time
import urllib.parse

import boto3
import pytest
from botocore.config import Config

from helpers import body_of
from rawhttp import Answer, Signature, quote

KEY = "folder/a b+c%20ü.txt"


@pytest.fixture(scope="module")
def signer(target):
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    return boto3.session.Session().client("s3", endpoint_url=target.endpoint, region_name="us-east-1", config=config,
                                          aws_access_key_id=target.access_key, aws_secret_access_key=target.secret_key)


def fetch(url, method="GET", body=None, headers=()):
    """The URL as it is, nothing added but what is said."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body=body, headers=dict(headers))
        return Answer(connection.getresponse())
    finally:
        connection.close()


def told(answer):
    return answer.status, answer.code


class ByHand:
    """A presigned URL in pieces, to be bent before it is signed, or after."""

    def __init__(self, raw, method, path, expires=60, seconds=0, signed=("host",), headers=(), service="s3", **more):
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        self.raw, self.method, self.path, self.signed = raw, method, path, list(signed)
        self.amz_date = now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.amz_date[:8]}/us-east-1/{service}/aws4_request"
        self.headers = [("host", f"{raw.host}:{raw.port}"), *headers]
        self.query = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{raw.access_key}/{self.scope}",
                      "X-Amz-Date": self.amz_date, "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": ";".join(self.signed), **more}

    def target(self):
        return self.path + "?" + "&".join(f"{quote(k)}={quote(v)}" for k, v in self.query.items() if v is not None)

    def sign(self):
        """The signature goes with what is there now."""
        return Signature(self.raw.secret_key, self.method, self.target(), self.headers, self.signed, "UNSIGNED-PAYLOAD",
                         self.amz_date, self.scope).value

    def url(self, signature=None):
        tail = f"&X-Amz-Signature={self.sign() if signature is None else signature}"
        return f"http://{self.raw.host}:{self.raw.port}{self.target()}{tail}"


@pytest.fixture
def guarded(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"guarded")
    yield bucket
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"guarded"
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1


# ---- what the SDKs make


def test_boto3_put_get_head_delete(signer, s3, bucket):
    def url(call, **more):
        return signer.generate_presigned_url(call, Params={"Bucket": bucket, "Key": KEY, **more}, ExpiresIn=60)
    assert fetch(url("put_object"), "PUT", b"by url").status == 200
    got = fetch(url("get_object"))
    assert (got.status, got.body) == (200, b"by url")
    head = fetch(url("head_object"), "HEAD")
    assert (head.status, head.headers["Content-Length"]) == (200, "6")
    assert fetch(url("delete_object"), "DELETE").status == 204
    assert told(fetch(url("get_object"))) == (404, "NoSuchKey")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_boto3_put_with_signed_headers(signer, s3, bucket):
    url = signer.generate_presigned_url("put_object", ExpiresIn=60, Params={
        "Bucket": bucket, "Key": "k", "ContentType": "text/x", "Metadata": {"a": "b"}})
    headers = {"Content-Type": "text/x", "x-amz-meta-a": "b"}
    assert fetch(url, "PUT", b"x", headers).status == 200
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"a": "b"}
    for wrong in ({"Content-Type": "text/x"}, headers | {"Content-Type": "text/y"}, headers | {"x-amz-meta-a": "c"}):
        assert fetch(url, "PUT", b"y", wrong).status == 403
    assert told(fetch(url, "PUT", b"y", headers | {"x-amz-meta-more": "m"})) == (403, "AccessDenied")
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_boto3_get_with_response_headers_and_a_version(signer, s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    url = signer.generate_presigned_url("get_object", ExpiresIn=60, Params={
        "Bucket": bucket, "Key": "k", "VersionId": first, "ResponseContentDisposition": 'attachment; filename="a b"'})
    got = fetch(url)
    assert (got.status, got.body, got.headers["Content-Disposition"]) == (200, b"1", 'attachment; filename="a b"')
    part = fetch(url, headers={"Range": "bytes=0-0"})  # need not be signed
    assert (part.status, part.body) == (206, b"1")


def test_boto3_signs_by_sigv2_unless_told(target, guarded):
    """Its default for presigned URLs of S3: refused with what to do about it."""
    old = boto3.session.Session().client("s3", endpoint_url=target.endpoint, region_name="us-east-1",
                                         aws_access_key_id=target.access_key, aws_secret_access_key=target.secret_key)
    url = old.generate_presigned_url("get_object", Params={"Bucket": guarded, "Key": "k"}, ExpiresIn=60)
    assert "AWSAccessKeyId=" in url and "Signature=" in url
    answer = fetch(url)
    assert told(answer) == (400, "InvalidRequest") and "AWS4-HMAC-SHA256" in answer.element("Message")


def test_javascript_put_get_head_delete(clients, s3, bucket):
    javascript = clients.get("javascript")
    def url(method, **more):
        return javascript.call("presign", method=method, bucket=bucket, key=KEY, expires=60, more=more)
    put = url("PUT")
    assert "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD" in put  # as S3's own JavaScript clients send it
    assert fetch(put, "PUT", b"by javascript").status == 200
    assert body_of(s3.get_object(Bucket=bucket, Key=KEY)) == b"by javascript"
    got = fetch(url("GET"))
    assert (got.status, got.body) == (200, b"by javascript")
    assert fetch(url("HEAD"), "HEAD").headers["Content-Length"] == "13"
    assert fetch(put, "DELETE").status == 403
    assert fetch(url("DELETE"), "DELETE").status == 204


# ---- security 12: when


@pytest.mark.parametrize("expires, seconds", [(1, 0), (60, -58), (604800, 0), (604800, -604700), (1, 0)], ids=str)
def test_security_12_in_time(http, guarded, expires, seconds):
    assert fetch(ByHand(http, "GET", f"/{guarded}/k", expires, seconds).url()).status == 200


@pytest.mark.parametrize("expires, seconds, says", [(60, -62, "expired"), (1, -3, "expired"), (604800, -604802, "expired"),
                                                    (60, 1000, "not valid yet"), (604800, 3600, "not valid yet")], ids=str)
def test_security_12_too_late_or_too_early(http, guarded, expires, seconds, says):
    """The 15 minutes of skew are for headers; a URL has its own times."""
    answer = fetch(ByHand(http, "GET", f"/{guarded}/k", expires, seconds).url())
    assert told(answer) == (403, "AccessDenied") and says in answer.element("Message")


def test_security_12_expired_by_a_second(http, guarded):
    url = ByHand(http, "GET", f"/{guarded}/k", 2).url()
    assert fetch(url).status == 200
    time.sleep(3.1)
    assert told(fetch(url)) == (403, "AccessDenied")


@pytest.mark.parametrize("expires", ["0", "-1", "604801", "x", "", "1e3", " 60", "+60", "99999999999999999999", None], ids=str)
def test_security_12_no_such_time(http, guarded, expires):
    made = ByHand(http, "GET", f"/{guarded}/k")
    made.query["X-Amz-Expires"] = expires
    answer = fetch(made.url())
    assert told(answer) in [(400, "AuthorizationQueryParametersError"), (403, "AccessDenied")] and b"guarded" not in answer.body


@pytest.mark.parametrize("name, value", [
    ("X-Amz-Algorithm", "AWS4-HMAC-SHA1"), ("X-Amz-Algorithm", None), ("X-Amz-Credential", None), ("X-Amz-Credential", "a/b"),
    ("X-Amz-Date", None), ("X-Amz-Date", "20200101"), ("X-Amz-Date", "yesterday"), ("X-Amz-SignedHeaders", None), ("X-Amz-SignedHeaders", ""),
    ("X-Amz-SignedHeaders", "host;;"), ("X-Amz-Credential", "KEY/20200101/us-east-1/s3/aws4_request"),
    ("X-Amz-Security-Token", "made-up")], ids=str)
def test_what_is_missing_or_malformed(http, guarded, name, value):
    made = ByHand(http, "GET", f"/{guarded}/k")
    made.query[name] = value.replace("KEY", http.access_key) if value else value
    answer = fetch(made.url())
    assert answer.status in (400, 403) and answer.code in ("AuthorizationQueryParametersError", "AccessDenied", "InvalidToken", "InvalidRequest"), answer


@pytest.mark.parametrize("name", ["X-Amz-Signature", "X-Amz-Expires", "X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Date"])
def test_a_parameter_given_twice(http, guarded, name):
    made = ByHand(http, "GET", f"/{guarded}/k")
    url = made.url()
    value = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))[name]
    answer = fetch(f"{url}&{name}={quote(value)}")
    assert answer.status in (400, 403) and b"guarded" not in answer.body


@pytest.mark.parametrize("bend", [lambda s: s[:-1], lambda s: s + "0", lambda s: s.upper(), lambda s: "", lambda s: s[::-1], lambda s: "0" * 64],
                         ids=["cut", "longer", "upper case", "empty", "reversed", "zeros"])
def test_security_6_a_bent_signature(http, guarded, bend):
    made = ByHand(http, "GET", f"/{guarded}/k")
    answer = fetch(made.url(bend(made.sign())))
    assert told(answer) in [(403, "SignatureDoesNotMatch"), (400, "AuthorizationQueryParametersError")]


# ---- security 13: for what


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "POST"])
def test_security_13_a_get_is_for_nothing_else(http, guarded, method):
    answer = fetch(ByHand(http, "GET", f"/{guarded}/k").url(), method, b"new" if method in ("PUT", "POST") else None)
    assert answer.status == 403 and answer.code in ("SignatureDoesNotMatch", None)


@pytest.mark.parametrize("change", ["key", "bucket", "version", "subresource", "expires", "date", "response header"])
def test_security_13_nothing_of_the_url_can_be_changed(http, guarded, change):
    made = ByHand(http, "GET", f"/{guarded}/k")
    signature = made.sign()
    if change == "key":
        made.path += "2"
    elif change == "bucket":
        made.path = "/data-aggregator-landing-dev/k"
    elif change == "date":
        made.query["X-Amz-Date"] = made.amz_date[:-2] + ("1Z" if made.amz_date[-2] != "1" else "2Z")
    else:
        name, value = {"version": ("versionId", "null"), "subresource": ("acl", ""), "expires": ("X-Amz-Expires", "61"),
                       "response header": ("response-content-type", "text/html")}[change]
        made.query[name] = value
    assert told(fetch(made.url(signature))) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("name, value", [
    ("x-amz-copy-source", "/{b}/k"), ("x-amz-meta-a", "b"), ("x-amz-acl", "public-read"), ("x-amz-tagging", "a=b"), ("x-amz-content-sha256", "0" * 64),
    ("x-amz-bypass-governance-retention", "true"), ("x-amz-date", "20200101T000000Z"), ("x-amz-security-token", "t"), ("x-amz-unheard-of", "1")])
def test_security_10_and_13_headers_nobody_signed(http, guarded, name, value):
    answer = fetch(ByHand(http, "PUT", f"/{guarded}/k").url(), "PUT", b"new", {name: value.format(b=guarded)})
    assert told(answer) in [(403, "AccessDenied"), (400, "InvalidRequest"), (400, "InvalidArgument")], answer


def test_security_9_host_must_be_signed(http, guarded):
    made = ByHand(http, "GET", f"/{guarded}/k", signed=("range",), headers=[("range", "bytes=0-1")])
    assert told(fetch(made.url(), headers={"range": "bytes=0-1"})) == (403, "AccessDenied")


def test_security_3_url_and_header_together(http, guarded):
    made = ByHand(http, "GET", f"/{guarded}/k")
    request = http.request("GET", made.url().split(f":{http.port}")[1]).sign()
    assert told(request.send()) == (400, "InvalidArgument")


def test_a_presigned_put_may_be_of_any_length_but_whole(http, s3, bucket):
    url = ByHand(http, "PUT", f"/{bucket}/k").url()
    for body in (b"", b"x" * 1_000_000):
        assert fetch(url, "PUT", body).status == 200
        assert body_of(s3.get_object(Bucket=bucket, Key="k")) == body


def test_a_presigned_put_with_a_checksum_is_checked(http, s3, bucket):
    """A checksum header must be signed as any x-amz-*; then it counts."""
    headers = [("x-amz-checksum-crc32", "AAAAAA==")]
    made = ByHand(http, "PUT", f"/{bucket}/k", signed=("host", "x-amz-checksum-crc32"), headers=headers)
    assert told(fetch(made.url(), "PUT", b"not empty", headers)) == (400, "BadDigest")
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\r\n\r\n<script>", "a\x00b"], ids=ascii)
@pytest.mark.parametrize("name", ["response-content-disposition", "response-content-type", "response-cache-control"])
def test_a_url_makes_no_headers_of_its_own(http, guarded, name, value):
    """Who may sign a URL may choose some values of headers, not their number."""
    answer = fetch(ByHand(http, "GET", f"/{guarded}/k", **{name: value}).url())
    assert answer.headers["X-Evil"] is None and b"<script>" not in answer.body
    assert answer.status == 400 or answer.body == b"guarded"
