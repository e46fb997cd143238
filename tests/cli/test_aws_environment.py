"""The AWS_* and proxy variables as an S3 client's user expects them, seen from the other end of the wire."""
import subprocess

import pytest

from consuming import BINARY, bundle
from fake_store import FakeStore

KEY = "2026/11/23/11/bundle-" + "0" * 31 + "1.tar.gz"


@pytest.fixture(name="store")
def a_store():
    store = FakeStore()
    store.objects[KEY] = bundle({"a": b"1"})
    yield store
    store.down()


def look(store, home, **variables):
    """`baler list` of the bundle; a variable of None is unset."""
    environment = {k: v for k, v in (store.environment(home) | variables).items() if v is not None}
    return subprocess.run([BINARY, "list", f"s3://dist/{KEY}"], env=environment, capture_output=True, text=True, timeout=60, check=False)


def headers(store):
    return [{k.lower(): v for k, v in r[3].items()} for r in store.requests]


def test_a_session_token_is_sent_and_signed(store, tmp_path):
    assert look(store, tmp_path, AWS_SESSION_TOKEN="theToken").returncode == 0
    for sent in headers(store):
        assert sent["x-amz-security-token"] == "theToken" and "x-amz-security-token" in sent["authorization"]


def test_keys_endpoint_and_region_of_a_profile(store, tmp_path):
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id = fileKey\naws_secret_access_key = s\n")
    (tmp_path / "config").write_text(f"[profile work]\nregion = mars-1\nservices = mine\n"
                                     f"[services mine]\ns3 =\n  endpoint_url = {store.endpoint}\n")
    answer = look(store, tmp_path, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, AWS_ENDPOINT_URL=None, AWS_PROFILE="work",
                  AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "credentials"), AWS_CONFIG_FILE=str(tmp_path / "config"))
    assert answer.returncode == 0, answer.stderr
    assert "Credential=fileKey/" in headers(store)[0]["authorization"] and "/mars-1/s3/" in headers(store)[0]["authorization"]


@pytest.mark.parametrize("attempts", [1, 3])
def test_attempts(store, tmp_path, attempts):
    store.fault = lambda *_: lambda h: h.error(503, "SlowDown")
    answer = look(store, tmp_path, AWS_MAX_ATTEMPTS=str(attempts))
    assert answer.returncode == 2 and len(store.requests) == attempts


def test_attempts_of_e2e(store, tmp_path):
    store.fault = lambda *_: lambda h: h.error(503, "SlowDown")
    (tmp_path / "one.json").write_text('{"num_files": 1, "size_mb": 0, "timeout_seconds": 5}')
    answer = subprocess.run([BINARY, "e2e", tmp_path / "one.json"], env=store.environment(tmp_path) | {"AWS_MAX_ATTEMPTS": "1"},
                            capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 2 and len(store.requests) == 1, answer.stderr


def test_attempts_that_are_none(store, tmp_path):
    answer = look(store, tmp_path, AWS_MAX_ATTEMPTS="many")
    assert answer.returncode == 2 and "AWS_MAX_ATTEMPTS: 'many'" in answer.stderr and not store.requests


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy(store, tmp_path, name):
    answer = look(store, tmp_path, AWS_ENDPOINT_URL="http://store.invalid", **{name: store.endpoint})
    assert answer.returncode == 0 and headers(store)[0]["host"] == "store.invalid", answer.stderr
    store.requests.clear()
    answer = look(store, tmp_path, AWS_ENDPOINT_URL="http://store.invalid", NO_PROXY="store.invalid", AWS_MAX_ATTEMPTS="1",
                  **{name: store.endpoint})
    assert answer.returncode == 2 and not store.requests


def test_a_loopback_host_needs_no_proxy(store, tmp_path):
    assert look(store, tmp_path, HTTP_PROXY="http://127.0.0.1:9").returncode == 0
