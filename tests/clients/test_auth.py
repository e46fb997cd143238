"""Who may ask: every way to ask wrongly, on every route, with its status and code."""
import hashlib
import time
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config

from helpers import body_of
from rawhttp import EMPTY_SHA256, STREAM_SIGNED, STREAM_SIGNED_TRAILER, STREAM_UNSIGNED_TRAILER, Signature, is_request_id, quote

DELETE = b"<Delete><Object><Key>k</Key></Object></Delete>"
VERSIONING = b"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"
COMPLETE = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>"
# method, target below the bucket (None: the service), body
ROUTES = [
    ("GET", None, b""), ("PUT", "new-bucket-by-nobody", b""), ("HEAD", "", b""), ("GET", "", b""), ("GET", "?list-type=2", b""),
    ("GET", "?location", b""), ("GET", "?versioning", b""), ("PUT", "?versioning", VERSIONING), ("GET", "?versions", b""),
    ("GET", "?uploads", b""), ("POST", "?delete", DELETE), ("DELETE", "", b""), ("PUT", "/k", b"new"), ("GET", "/k", b""),
    ("HEAD", "/k", b""), ("DELETE", "/k", b""), ("POST", "/k?uploads", b""), ("PUT", "/k?partNumber=1&uploadId=u", b"x"),
    ("GET", "/k?uploadId=u", b""), ("POST", "/k?uploadId=u", COMPLETE), ("DELETE", "/k?uploadId=u", b""),
    ("GET", "?policy", b""), ("GET", "/k?acl", b""), ("OPTIONS", "/k", b""), ("PATCH", "/k", b"x"),
]
FORMS = [None, "UNSIGNED-PAYLOAD", STREAM_SIGNED, STREAM_SIGNED_TRAILER, STREAM_UNSIGNED_TRAILER]


@pytest.fixture(scope="module")
def guarded(s3, module_bucket):
    """A bucket with one object "k"; afterwards it must still be as it was."""
    s3.put_object(Bucket=module_bucket, Key="k", Body=b"guarded")
    yield module_bucket
    assert body_of(s3.get_object(Bucket=module_bucket, Key="k")) == b"guarded"
    assert len(s3.list_object_versions(Bucket=module_bucket)["Versions"]) == 1
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=module_bucket)


def request_of(http, bucket, route, form=None):
    method, below, body = route
    target = "/" if below is None else f"/{below}" if below.startswith("new-bucket") else f"/{bucket}{below}"
    return http.request(method, target, body, payload_hash=form)


def is_refused(answer, status, code):
    """HEAD has no body, so no code."""
    return answer is not None and answer.status == status and (answer.code == code or not answer.body)


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r[0]} {r[1]}")
def test_no_authentication(http, guarded, route):
    answer = request_of(http, guarded, route).send()
    assert is_refused(answer, 403, "AccessDenied"), answer


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r[0]} {r[1]}")
def test_bad_signature_on_every_route(http, guarded, route, form):
    answer = request_of(http, guarded, route, form).sign(secret_key="x" * 40).send()
    assert is_refused(answer, 403, "SignatureDoesNotMatch"), answer


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r[0]} {r[1]}")
def test_unknown_key_on_every_route(http, guarded, route):
    answer = request_of(http, guarded, route).sign(access_key="AKIAUNKNOWN").send()
    assert is_refused(answer, 403, "InvalidAccessKeyId"), answer


@pytest.mark.parametrize("minutes", [-16, 16, -60 * 24, 60 * 24 * 365])
def test_skewed_clock(http, guarded, minutes):
    answer = http.request("GET", f"/{guarded}/k").sign(skew_s=minutes * 60).send()
    assert (answer.status, answer.code) == (403, "RequestTimeTooSkewed")


@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_little_skew_is_fine(http, guarded, minutes):
    assert http.request("GET", f"/{guarded}/k").sign(skew_s=minutes * 60).send().status == 200


def signed_get(http, bucket, **how):
    return http.request("GET", f"/{bucket}/k").sign(**how)


@pytest.mark.parametrize("how, status, code", [
    ({"service": "sqs"}, 400, "AuthorizationHeaderMalformed"), ({"terminator": "aws5_request"}, 400, "AuthorizationHeaderMalformed"),
    ({"scope_date": "20200101"}, 400, "AuthorizationHeaderMalformed"), ({"unsigned": ("host",)}, 403, "AccessDenied"),
    ({"unsigned": ("x-amz-date",)}, 403, "AccessDenied"), ({"unsigned": ("x-amz-content-sha256",)}, 403, "AccessDenied"),
    ({"date": "yesterday", "scope_date": "20240101"}, 403, "AccessDenied"),
], ids=str)
def test_scope_and_signed_headers(http, guarded, how, status, code):
    answer = signed_get(http, guarded, **how).send()
    assert (answer.status, answer.code) == (status, code)


def test_regions(http, guarded):
    """There is one; s3cmd signs ListBuckets with "US" all the same. Another one is told which to use, as SDKs understand."""
    for region in ("us-east-1", "US"):
        assert signed_get(http, guarded, region=region).send().status == 200
    answer = signed_get(http, guarded, region="eu-central-1").send()
    assert (answer.status, answer.code, answer.element("Region")) == (400, "AuthorizationHeaderMalformed", "us-east-1")


@pytest.mark.parametrize("minutes, status", [(0, 200), (-16, 403)])
def test_date_header_instead_of_x_amz_date(http, guarded, minutes, status):
    when = time.gmtime(time.time() + 60 * minutes)
    request = http.request("GET", f"/{guarded}/k", headers={"Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", when)})
    request.sign(date=time.strftime("%Y%m%dT%H%M%SZ", when), unsigned=("x-amz-date",)).set("x-amz-date", None)
    assert request.send().status == status


@pytest.mark.parametrize("bend", [
    lambda s: s[:-1], lambda s: s + "0", lambda s: s.upper() if s.upper() != s else s + "A", lambda s: "0" * 64, lambda s: "",
    lambda s: s[:-1] + ("0" if s[-1] != "0" else "1")], ids=["cut", "longer", "upper case", "zeros", "empty", "last digit"])
def test_bent_signature(http, guarded, bend):
    request = signed_get(http, guarded)
    good = request.signature.value
    request.set("Authorization", request.get("Authorization").replace(good, bend(good)))
    answer = request.send()
    assert (answer.status, answer.code) in [(403, "SignatureDoesNotMatch"), (400, "AuthorizationHeaderMalformed")]


@pytest.mark.parametrize("text, status, code", [
    ("AWS4-HMAC-SHA256", 400, None), ("AWS4-HMAC-SHA256 ", 400, None),
    ("AWS4-HMAC-SHA256 Credential=a", 400, "AuthorizationHeaderMalformed"),
    ("AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0", 400, "AuthorizationHeaderMalformed"),
    ("AWS4-HMAC-SHA256 Credential=" + "a" * 3000 + "/20240101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=" + "0" * 64,
     400, "AuthorizationHeaderMalformed"),
    ("AWS AKIA:c2lnbmF0dXJl", 400, "InvalidRequest"), ("Bearer token", 400, None), ("Basic YTpi", 400, None),
    ("AWS4-ECDSA-P256-SHA256 Credential=a/20240101/s3/aws4_request, SignedHeaders=host, Signature=0", 400, None),
], ids=["bare", "blank", "cut", "short scope", "long key", "SigV2", "bearer", "basic", "ecdsa"])
def test_malformed_authorization(http, guarded, text, status, code):
    request = signed_get(http, guarded).set("Authorization", text)
    answer = request.send()
    if code:
        assert (answer.status, answer.code) == (status, code)
    else:
        assert answer.status in (400, 403, 501) and answer.code


def test_two_authorizations(http, guarded):
    request = signed_get(http, guarded)
    request.headers.append(("Authorization", request.get("Authorization")))
    answer = request.send()
    assert answer.status == 400 and answer.code in ("InvalidArgument", "InvalidRequest", "AuthorizationHeaderMalformed")


def test_header_and_query_credentials_together(http, guarded):
    query = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={quote(http.access_key + '/20240101/us-east-1/s3/aws4_request')}"
    answer = http.call("GET", f"/{guarded}/k?{query}&X-Amz-Signature={'0' * 64}")
    assert (answer.status, answer.code) == (400, "InvalidArgument")


def test_query_credentials_without_a_signature(http, guarded):
    credential = quote(http.access_key + "/20240101/us-east-1/s3/aws4_request")
    for query in (f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}", f"AWSAccessKeyId={http.access_key}&Expires=9999999999",
                  f"X-Amz-Credential={credential}", "X-Amz-Signature=00"):
        answer = http.request("GET", f"/{guarded}/k?{query}").send()
        assert answer.status in (400, 403) and b"guarded" not in answer.body


@pytest.mark.parametrize("header", ["x-amz-copy-source", "x-amz-meta-x", "x-amz-acl", "x-amz-tagging", "x-amz-anything", "X-AMZ-Storage-Class"])
def test_unsigned_amz_header(http, s3, guarded, header):
    request = http.request("PUT", f"/{guarded}/k", b"new").sign().set(header, f"/{guarded}/k")
    answer = request.send()
    assert (answer.status, answer.code) == (403, "AccessDenied")


@pytest.mark.parametrize("hash_text, code", [
    (hashlib.sha256(b"other").hexdigest(), "XAmzContentSHA256Mismatch"), (EMPTY_SHA256, "XAmzContentSHA256Mismatch"),
    ("", "InvalidArgument"), ("abc", "InvalidArgument"), ("g" * 64, "InvalidArgument"), ("STREAMING-ANYTHING", "InvalidArgument"),
    ("unsigned-payload", "InvalidArgument")])
def test_payload_hash(http, s3, guarded, hash_text, code):
    request = http.request("PUT", f"/{guarded}/k", b"body")
    request.payload_hash = hash_text
    answer = request.sign().send()
    assert (answer.status, answer.code) in [(400, code), (400, "InvalidRequest") if hash_text == "" else (400, code)]


def test_payload_hash_of_a_large_body(http, s3, guarded):
    """Larger than what is kept in memory: it must not have been committed when the hash turns out wrong."""
    answer = http.call("PUT", f"/{guarded}/k", b"x" * (3 << 20), payload_hash=hashlib.sha256(b"other").hexdigest())
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")


def test_payload_hash_missing(http, guarded):
    request = http.request("GET", f"/{guarded}/k")
    request.sign(unsigned=("x-amz-content-sha256",)).set("x-amz-content-sha256", None)
    answer = request.send()
    assert answer.status == 400 and answer.code == "InvalidRequest"


def test_body_changed_after_signing(http, guarded):
    request = http.request("PUT", f"/{guarded}/k", b"body").sign()
    answer = request.send(b"BODY")
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")


@pytest.mark.parametrize("change", ["method", "target", "query", "header"])
def test_anything_signed_cannot_be_changed(http, guarded, change):
    request = http.request("GET", f"/{guarded}/other", headers={"Range": "bytes=0-1"}).sign()
    if change == "method":
        request.method = "DELETE"
    elif change == "target":
        request.target = f"/{guarded}/k"
    elif change == "query":
        request.target += "?versionId=1"
    else:
        request.set("Range", "bytes=0-9")
    answer = request.send()
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


def test_signing_is_over_the_raw_path(http, s3, bucket):
    """The same key, written in two ways: each is signed as it is written."""
    for target in (f"/{bucket}/a%2Fb%20c", f"/{bucket}/a/b%20c"):
        assert http.call("PUT", target, target.encode()).status == 200
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 2
    assert [e["Key"] for e in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a/b c"]


def test_both_ways_to_write_the_header(http, guarded):
    """Separated by ", " or by "," alone (s3cmd, minio-go)."""
    request = signed_get(http, guarded)
    request.set("Authorization", request.get("Authorization").replace(", ", ","))
    assert request.send().status == 200


def test_spaces_in_signed_values(http, s3, bucket):
    request = http.request("PUT", f"/{bucket}/k", b"b", {"x-amz-meta-a": "  two   words  ", "x-amz-meta-empty": ""}).sign()
    assert request.send().status == 200
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"]["a"].split() == ["two", "words"]


def test_a_session_token_nobody_gave(http, guarded):
    answer = http.call("GET", f"/{guarded}/k", headers={"x-amz-security-token": "made-up"})
    assert answer.status in (400, 403) and answer.code in ("InvalidToken", "AccessDenied")


def test_unknown_key_and_bad_signature_tell_nothing_about_buckets(http):
    """No answer tells who is not known here whether a bucket exists."""
    for how in ({"access_key": "AKIAUNKNOWN"}, {"secret_key": "wrong"}):
        codes = {http.request("GET", f"/{name}/k").sign(**how).send().code for name in ("data-aggregator-landing-dev", "no-such-bucket-here")}
        assert len(codes) == 1


def test_secrets_are_in_no_answer(http, guarded):
    answers = [signed_get(http, guarded, secret_key="wrong").send(), http.request("GET", "/").send(), http.call("GET", f"/{guarded}/none")]
    assert all(http.secret_key.encode() not in answer.body for answer in answers)


def test_request_id_is_in_header_and_body(http, guarded):
    seen = set()
    for request in (http.request("GET", f"/{guarded}/none").sign(), http.request("GET", f"/{guarded}/k"), http.request("GET", "/no-such-bucket-here/").sign()):
        answer = request.send()
        assert answer.headers["Content-Type"] == "application/xml"
        assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
        assert answer.element("RequestId") == answer.headers["x-amz-request-id"] and is_request_id(answer.headers["x-amz-request-id"])
        assert answer.headers["x-amz-id-2"] and answer.headers["Date"] and answer.element("Message")
        seen.add(answer.headers["x-amz-request-id"])
    good = http.call("GET", f"/{guarded}/k")
    assert is_request_id(good.headers["x-amz-request-id"]) and len(seen | {good.headers["x-amz-request-id"]}) == 4


def fetch(url, method="GET"):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_presigned_get_of_boto3(target, guarded):
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    s3v4 = boto3.session.Session().client("s3", endpoint_url=target.endpoint, region_name="us-east-1", config=config,
                                          aws_access_key_id=target.access_key, aws_secret_access_key=target.secret_key)
    url = s3v4.generate_presigned_url("get_object", Params={"Bucket": guarded, "Key": "k"}, ExpiresIn=60)
    assert fetch(url) == (200, b"guarded")
    assert fetch(url, "DELETE")[0] == 403
    assert fetch(url.replace("Expires=60", "Expires=600"))[0] == 403
    assert fetch(url[:-1] + ("0" if url[-1] != "0" else "1"))[0] == 403


def presigned(http, target, expires, minutes=0, **headers):
    """By hand: what no client would make."""
    amz_date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + 60 * minutes))
    scope = f"{amz_date[:8]}/us-east-1/s3/aws4_request"
    target += (f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={quote(http.access_key + '/' + scope)}"
               f"&X-Amz-Date={amz_date}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host")
    request = http.request("GET", target, headers=headers)
    signature = Signature(http.secret_key, "GET", target, request.headers, ["host"], "UNSIGNED-PAYLOAD", amz_date, scope)
    request.target += "&X-Amz-Signature=" + signature.value
    return request.send()


@pytest.mark.parametrize("expires, minutes, status", [
    (60, 0, 200), (604800, 0, 200), (604800, -60 * 24 * 6, 200), (60, -2, 403), (1, -1, 403), (600, 20, 403),
    (0, 0, None), (-1, 0, None), (604801, 0, None), ("x", 0, None), ("", 0, None), (1 << 70, 0, None)], ids=str)
def test_presigned_in_time_and_not(http, guarded, expires, minutes, status):
    answer = presigned(http, f"/{guarded}/k", expires, minutes)
    if status is None:
        assert answer.status in (400, 403) and answer.code in ("AuthorizationQueryParametersError", "AccessDenied")
    else:
        assert answer.status == status and (status == 200 or answer.code == "AccessDenied")


def test_presigned_with_a_header_that_is_not_signed(http, guarded):
    answer = presigned(http, f"/{guarded}/k", 60, **{"x-amz-copy-source": f"{guarded}/k"})
    assert (answer.status, answer.code) == (403, "AccessDenied")


def test_health_says_nothing(http):
    answer = http.request("GET", "/-/health").send()
    assert answer.status in (200, 403) and len(answer.body) < 600
