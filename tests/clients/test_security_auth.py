"""The list of refusals, "Auth" 1 to 17: what test_auth.py, test_presigned.py and test_roles.py do not have; each test names its item.

1 test_no_authentication, 2 test_bad_signature_on_every_route, 3 test_header_and_query_credentials_together, 4 test_query_credentials_without_…,
6 test_bent_signature, 7 test_skewed_clock, 8 test_scope_and_signed_headers and test_regions, 9 the same, 12 and 13 test_presigned, 17 test_roles.
"""
import pathlib
import secrets
import time

import pytest

from helpers import body_of
from rawhttp import STREAM_SIGNED, STREAM_SIGNED_TRAILER, STREAM_UNSIGNED_TRAILER
from test_auth import ROUTES, is_refused
from test_presigned import ByHand, fetch
from test_roles import LANDING, add_key, world  # noqa: F401, a fixture

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def guarded(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"guarded")
    yield bucket
    assert body_of(s3.get_object(Bucket=bucket, Key="k")) == b"guarded"
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1


@pytest.mark.parametrize("form", ["UNSIGNED-PAYLOAD", STREAM_SIGNED, STREAM_SIGNED_TRAILER, STREAM_UNSIGNED_TRAILER, "0" * 64])
@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r[0]} {r[1]}")
def test_security_2_a_bad_signature_in_the_url_of_every_route(http, guarded, route, form):
    method, below, body = route
    path, _, query = ("/" if below is None else f"/{below}" if below.startswith("new-") else f"/{guarded}{below}").partition("?")
    more = {k: v for k, _, v in (p.partition("=") for p in query.split("&") if p)}
    url = ByHand(http, method, path, **more, **{"X-Amz-Content-Sha256": form}).url("0" * 64)
    answer = fetch(url, method, body or None)
    assert answer.status in (400, 403, 501) and (answer.code in ("SignatureDoesNotMatch", "InvalidArgument", "InvalidRequest", "NotImplemented",
                                                           "AuthorizationQueryParametersError") or not answer.body), answer


def test_security_5_the_signature_of_another_key(world):
    """Two good keys; the name of one with the secret of the other."""
    one, two = world.keys["supplier"], world.keys["admin"]
    request = world.http["supplier"].request("PUT", f"/{LANDING}/mixed", b"x")
    answer = request.sign(access_key=one["access_key"], secret_key=two["secret_key"]).send()
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    answer = request.sign(access_key=two["access_key"], secret_key=one["secret_key"]).send()
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


def test_security_7_no_date_at_all(http, guarded):
    request = http.request("GET", f"/{guarded}/k").sign(unsigned=("x-amz-date",)).set("x-amz-date", None)
    answer = request.send()
    assert (answer.status, answer.code) == (403, "AccessDenied")


@pytest.mark.parametrize("minutes, served", [(0, True), (-60, True), (600, True)], ids=str)
def test_security_7_x_amz_date_counts_where_date_differs(http, guarded, minutes, served):
    """Proxies set Date. x-amz-date is the one that is signed, and the only one that is looked at."""
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60 * minutes))
    assert (http.request("GET", f"/{guarded}/k", headers={"Date": date}).sign(unsigned=("date",)).send().status == 200) == served
    old = http.request("GET", f"/{guarded}/k", headers={"Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())})
    answer = old.sign(unsigned=("date",), skew_s=-3600).send()
    assert (answer.status, answer.code) == (403, "RequestTimeTooSkewed")  # a fresh Date makes an old request no younger


@pytest.mark.parametrize("name, value", [
    ("x-amz-copy-source", "/{b}/k"), ("x-amz-meta-a", "b"), ("x-amz-acl", "public-read"), ("x-amz-tagging", "a=b"), ("x-amz-storage-class", "STANDARD"),
    ("x-amz-bypass-governance-retention", "true"), ("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-unheard-of", "1"), ("X-AMZ-Meta-Case", "c"),
    ("x-amz-trailer", "x-amz-checksum-crc32"), ("x-amz-decoded-content-length", "3")])
def test_security_10_any_x_amz_header_that_is_not_signed(http, guarded, name, value):
    request = http.request("PUT", f"/{guarded}/k", b"new").sign()
    request.set(name, value.format(b=guarded))
    answer = request.send()
    assert (answer.status, answer.code) == (403, "AccessDenied"), answer


@pytest.mark.parametrize("name", ["x-amz-date", "x-amz-content-sha256", "Host", "x-amz-copy-source", "x-amz-security-token"])
def test_security_11_a_signed_header_twice(http, guarded, name):
    """The first is what was signed, the second is what somebody added behind."""
    request = http.request("GET", f"/{guarded}/k").sign()
    value = request.get(name)
    request.headers.append((name, value or "x"))
    answer = request.send()
    assert answer is None or answer.status in (400, 403), answer


def test_security_11_spaces_around_a_signed_value_do_not_count(http, guarded):
    request = http.request("GET", f"/{guarded}/k", headers={"x-amz-meta-note": "a"}).sign()
    request.set("x-amz-meta-note", "  a   ")
    assert request.send().status == 200
    request.set("x-amz-meta-note", "a b")
    assert is_refused(request.send(), 403, "SignatureDoesNotMatch")


def test_security_11_a_folded_header(http, guarded):
    request = http.request("GET", f"/{guarded}/k", headers={"x-amz-meta-note": "a"}).sign()
    request.set("x-amz-meta-note", "a\r\n b")
    answer = request.send()
    assert answer is None or answer.status in (400, 403)


def test_security_14_the_same_request_with_another_body(http, s3, bucket):
    request = http.request("PUT", f"/{bucket}/k", b"what was signed").sign()
    answer = request.send(b"what was put in")
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)
    assert request.send().status == 200


def test_security_15_signatures_are_compared_in_constant_time():
    """In the code, as no test could measure it: the verifier compares with bytes_equal_ct, which is CRYPTO_memcmp, and with nothing else."""
    verifier = (SOURCE / "wire/sigv4_verify.c").read_text()
    assert "bytes_equal_ct(" in verifier and "memcmp(" not in verifier
    digest = (SOURCE / "base/digest.c").read_text()
    assert "CRYPTO_memcmp(" in digest[digest.index("bool bytes_equal_ct("):][:300]


@pytest.mark.parametrize("name", ["x-amz-bypass-governance-retention", "x-amz-bypass-anything", "x-amz-object-lock-mode", "x-amz-replication-status",
                                  "x-amz-internal-role", "x-amz-server-side-encryption", "x-amz-expected-role"])
def test_security_16_headers_that_would_pass_a_guard(http, guarded, name):
    """Signed and unknown: an error, never ignored."""
    for method in ("PUT", "DELETE"):
        answer = http.call(method, f"/{guarded}/k", b"new" if method == "PUT" else b"", {name: "true"})
        assert answer.status in (400, 501), (method, answer)


def test_security_16_a_role_cannot_be_claimed(world):
    for name in ("x-baler-role", "role", "x-role"):
        answer = world.http["supplier"].call("GET", f"/{LANDING}/k", headers={name: "admin"})
        assert (answer.status, answer.code) == (403, "AccessDenied")


def test_security_17_a_guessed_key_costs_the_same_answer_each_time(http, guarded):
    """Names near a good one and far from it."""
    seen = {(a.status, a.code, a.element("Message")) for a in (
        http.request("GET", f"/{guarded}/k").sign(access_key=name, secret_key=secrets.token_hex(20)).send()
        for name in (http.access_key[:-1], http.access_key + "0", "A", "BALERAAAAAAAAAAAAAAA"))}
    assert len(seen) == 1 and next(iter(seen))[:2] == (403, "InvalidAccessKeyId")
