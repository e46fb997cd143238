"""What each failure does when the landing bucket is in another store: as docs/failures.md has it for our own."""
import hashlib
import http.server
import io
import tarfile
import threading
import urllib.parse

import pytest

from operator_kit import DISTRIBUTION
from test_events import TOKEN, post, s3_record, with_token

BUCKET = "their-landing"
ALWAYS = 10**9


def error(status, code, **headers):
    body = f"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>says the store</Message></Error>".encode()
    return status, headers, body, len(body)


def body(data, cut=0, **headers):
    etag = hashlib.md5(data).hexdigest()
    return 200, {"ETag": f'"{etag}"', **headers}, data[:len(data) - cut], len(data)


class Store:
    """GET /BUCKET/KEY answers as its script says: [(times, answer) …], then the object's bytes."""

    def __init__(self):
        self.scripts, self.asked = {}, {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # noqa: N802
                key = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)[len(BUCKET) + 2:]
                status, headers, data, length = outer.answer(key)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(length), "Connection": "close"}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, key):
        n = self.asked[key] = self.asked.get(key, 0) + 1
        for times, what in self.scripts.get(key, []):
            if n <= times:
                return what
            n -= times
        return body(bytes_of(key))

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def bytes_of(key):
    return f"the bytes of {key} ".encode() * 50


def flipped(key):
    return bytes([bytes_of(key)[0] ^ 1]) + bytes_of(key)[1:]


KMS = {"ETag": f'"{"5" * 32}"', "x-amz-server-side-encryption": "aws:kms"}
GONE = {"data/gone/key": error(404, "NoSuchKey"), "data/gone/version": error(404, "NoSuchVersion"),
        "data/gone/marker": error(404, "NoSuchKey", **{"x-amz-delete-marker": "true"}),
        "data/gone/marker-by-version": error(405, "MethodNotAllowed", **{"x-amz-delete-marker": "true"})}
OUR_KEYS = {f"data/keys/{code}": error(403, code) for code in (
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "RequestTimeTooSkewed")}
TROUBLE = {f"data/trouble/{code}": error(status, code) for status, code in (
    (503, "SlowDown"), (500, "InternalError"), (400, "RequestTimeout"), (429, "TooManyRequests"))}
LONG = "data/denied/" + "k" * 1000  # a reason names the cause whatever the key
SCRIPTS = {
    **{key: [(ALWAYS, answer)] for key, answer in GONE.items()},
    **{key: [(3, answer)] for key, answer in OUR_KEYS.items()},  # more often than a message has receives
    **{key: [(7, answer)] for key, answer in TROUBLE.items()},
    "data/denied": [(ALWAYS, error(403, "AccessDenied"))],
    LONG: [(ALWAYS, error(403, "AccessDenied"))],
    "data/denied-once": [(1, error(403, "AccessDenied"))],
    "data/cut": [(5, body(bytes_of("data/cut"), cut=100))],
    "data/size": [(ALWAYS, body(b"short"))],
    "data/etag": [],
    "data/checksum": [(ALWAYS, body(bytes_of("data/checksum"), **{
        "x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-type": "FULL_OBJECT"}))],
    # one bit of the bytes, and the ETag of the others; the same where an ETag is no MD5
    "data/bit": [(ALWAYS, (200, {"ETag": f'"{hashlib.md5(bytes_of("data/bit")).hexdigest()}"'},
                           flipped("data/bit"), len(flipped("data/bit"))))],
    "data/kms": [(ALWAYS, body(bytes_of("data/kms"), **KMS))],
}
WELL = [f"data/well/{i}" for i in range(5)]
EVENTS = {"data/etag": {"eTag": "0" * 32}, "data/kms": {"eTag": "5" * 32}}


@pytest.fixture(scope="module", name="world")
def a_server_before_a_store(tmp_path_factory):
    """All at once: those that are not well and those that are, in the same bundles."""
    store = Store()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            patch.setenv(f"BALER_LANDING_{name}", "foreign")
        baler = with_token(tmp_path_factory.mktemp("foreign") / "s", "--landing-endpoint", store.url, "--landing-bucket",
                           BUCKET, "--max-receives", "2", "--visibility-timeout", "30s")
    store.scripts = SCRIPTS
    for key in (*SCRIPTS, *WELL):
        announce(baler, key, **EVENTS.get(key, {}))
    yield baler, store
    baler.stop()
    store.close()


def announce(baler, key, **more):
    record = s3_record(BUCKET, key, "v1", len(bytes_of(key)), hashlib.md5(bytes_of(key)).hexdigest())
    record["s3"]["object"].update(more)
    assert post(baler, {"Records": [record]}, token=TOKEN).status_code == 200


def shipped(baler, key):
    """How often, each time whole."""
    n = 0
    for bundle_key in baler.bundles():
        data = baler.s3.get_object(Bucket=DISTRIBUTION, Key=bundle_key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(data)) as bundle:
            for member in bundle:
                if member.name == key:
                    assert bundle.extractfile(member).read() == bytes_of(key)
                    n += 1
    return n


def dead(baler, key):
    return [d for d in baler.dead_letters() if d["objects"] and d["objects"][0]["key"] == key]


def end_of(world, key):
    """Its dead letter, or None when it has shipped."""
    baler, _ = world
    baler.wait(lambda: dead(baler, key) or shipped(baler, key), 60)
    letters = dead(baler, key)
    assert len(letters) + shipped(baler, key) == 1
    return letters[0] if letters else None


@pytest.mark.parametrize("key", WELL)
def test_those_that_are_well_ship(world, key):
    assert end_of(world, key) is None


@pytest.mark.parametrize("key", GONE)
def test_gone_is_a_dead_letter_at_once(world, key):
    letter = end_of(world, key)
    assert (letter["code"], letter["attempts"]) == ("object-missing", 1)
    assert letter["reason"] == "the object or its version is gone"


@pytest.mark.parametrize("key", ["data/denied", LONG], ids=["short", "long"])
def test_denied_is_retried_then_dead_with_the_stores_words(world, key):
    letter = end_of(world, key)
    assert (letter["code"], letter["attempts"]) == ("access-denied", 2)
    assert "AccessDenied: says the store" in letter["reason"]


def test_denied_once_ships(world):
    assert end_of(world, "data/denied-once") is None


@pytest.mark.parametrize("key", OUR_KEYS)
def test_our_own_keys_being_refused_is_held_against_no_object(world, key):
    assert end_of(world, key) is None


@pytest.mark.parametrize("key", TROUBLE)
def test_the_stores_trouble_is_waited_out(world, key):
    assert end_of(world, key) is None


def test_a_body_cut_short_is_fetched_again(world):
    assert end_of(world, "data/cut") is None
    assert world[1].asked["data/cut"] > 5


def test_another_size_is_retried_then_dead(world):
    letter = end_of(world, "data/size")
    assert (letter["code"], letter["attempts"]) == ("object-mismatch", 2)
    assert letter["reason"] == f"the event says {len(bytes_of('data/size'))} bytes, the object has 5"


def test_another_etag_is_retried_then_dead(world):
    letter = end_of(world, "data/etag")
    assert (letter["code"], letter["attempts"]) == ("object-mismatch", 2)
    assert f"'{'0' * 32}'" in letter["reason"] and hashlib.md5(bytes_of("data/etag")).hexdigest() in letter["reason"]


def test_bytes_that_are_not_those_of_their_checksum_are_never_shipped(world):
    letter = end_of(world, "data/checksum")
    assert (letter["code"], letter["attempts"]) == ("object-mismatch", 2)
    assert "crc32" in letter["reason"].lower()


def test_bytes_that_are_not_those_of_their_etag_are_never_shipped(world):
    letter = end_of(world, "data/bit")
    assert (letter["code"], letter["attempts"]) == ("object-mismatch", 2)
    assert "does not have the MD5 that its ETag is" in letter["reason"]


def test_nothing_is_left_and_nothing_came_twice(world):
    baler, _ = world
    dead_keys = {"data/denied", LONG, "data/size", "data/etag", "data/checksum", "data/bit", *GONE}
    baler.wait(lambda: (q := baler.json("status")["queue"])["visible"] + q["in_flight"] == 0, 60)
    assert sorted(d["objects"][0]["key"] for d in baler.dead_letters()) == sorted(dead_keys)
    assert all(shipped(baler, key) == 1 for key in {*SCRIPTS, *WELL} - dead_keys)
