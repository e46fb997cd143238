"""The environment of the original: each of its variables has its effect here, or is said to have none; a wrong value is refused."""
import contextlib
import http.server
import io
import json
import os
import socket
import subprocess
import tarfile
import threading
import time

import pytest
import requests

from operator_kit import BINARY, DISTRIBUTION, ROOT, Baler

TOKEN = "a-token-of-the-other-store"


def refusal(tmp_path, *words, **variables):
    answer = subprocess.run([BINARY, *(words or ("serve", "--data", str(tmp_path / "d"), "--listen", "127.0.0.1:0"))], cwd=tmp_path,
                            env=dict(os.environ, **variables), capture_output=True, text=True, timeout=20, check=False)
    assert answer.returncode == 2, answer.stderr
    assert not (tmp_path / "d").exists()
    assert len(answer.stderr.splitlines()) == 1, answer.stderr
    return answer.stderr


NUMBERS = {
    "IDEMPOTENCY_TTL_DAYS": "99999", "MAX_BUNDLE_INPUT_MB": "0", "SPOOL_FILE_MAX_SIZE_MB": "0", "MAX_BUNDLE_ON_DISK_MB": "0",
    "TIMEOUT_GUARD_THRESHOLD_SECONDS": "901", "MAX_RETRIES_PER_RECORD": "101", "S3_OPERATION_TIMEOUT_SECONDS": "0",
    "ERROR_SAMPLING_RATE": "1.1",
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["many", "-1", "", "1e2"])
def test_what_is_no_number_is_refused_by_name(tmp_path, name, value):
    text = refusal(tmp_path, **{name: value})
    assert text.startswith(f"baler serve: '{name}': '{value}' is not a ")


@pytest.mark.parametrize("name, value", NUMBERS.items())
def test_what_is_out_of_range_is_refused_by_name_with_the_range(tmp_path, name, value):
    text = refusal(tmp_path, **{name: value})
    assert text.startswith(f"baler serve: '{name}': '{value}' is out of range, ") and " to " in text


@pytest.mark.parametrize("name", ["DISTRIBUTION_BUCKET_NAME", "SERVICE_NAME", "ENVIRONMENT", "IDEMPOTENCY_TABLE_NAME"])
def test_an_empty_name_is_refused(tmp_path, name):
    assert f"'{name}' is empty" in refusal(tmp_path, **{name: ""})


def test_a_log_level_that_is_none_is_refused(tmp_path):
    assert "'LOG_LEVEL': 'LOUD' is not one of DEBUG|INFO" in refusal(tmp_path, LOG_LEVEL="LOUD")


@pytest.mark.parametrize("words, variables, says", [
    (("pull",), {}, "--to DIR"),
    (("serve", "--data", "d", "--landing-endpoint", "http://127.0.0.1:1"), {}, "BALER_LANDING_ACCESS_KEY_ID"),
    (("serve", "--data", "d", "--tls-cert", "c.pem"), {}, "'--tls-key'"),
    (("status",), {"AWS_ACCESS_KEY_ID": "", "AWS_CONFIG_FILE": "/none", "AWS_SHARED_CREDENTIALS_FILE": "/none"},
     "AWS_ACCESS_KEY_ID"),
])
def test_a_missing_name_is_named(tmp_path, words, variables, says):
    assert says in refusal(tmp_path, *words, **variables)


def lines(baler, event):
    with open(baler.server.log_path, encoding="utf-8") as log:
        return [line for line in map(json.loads, log) if line["event"] == event]


def test_help_and_the_document_name_each_variable_of_the_original():
    names = {*NUMBERS, "DISTRIBUTION_BUCKET_NAME", "SERVICE_NAME", "ENVIRONMENT", "IDEMPOTENCY_TABLE_NAME", "LOG_LEVEL"}
    shown = subprocess.run([BINARY, "help", "serve"], capture_output=True, text=True, timeout=20, check=True).stdout
    table = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert [n for n in names if n not in shown] == []
    assert [n for n in names if f"| `{n}` |" not in table] == []


@contextlib.contextmanager
def running(tmp_path, *options):
    baler = Baler(tmp_path / "s", *options)
    try:
        yield baler
    finally:
        baler.stop()


def test_what_has_no_effect_here_is_said_once(tmp_path, monkeypatch):
    monkeypatch.setenv("IDEMPOTENCY_TABLE_NAME", "data-aggregator-idempotency-dev")
    monkeypatch.setenv("SPOOL_FILE_MAX_SIZE_MB", "64")
    monkeypatch.setenv("MAX_RETRIES_PER_RECORD", "3")
    with running(tmp_path) as baler:
        said = lines(baler, "setting-without-effect")
    assert [(line["level"], line["setting"]) for line in said] == [
        ("WARNING", "IDEMPOTENCY_TABLE_NAME"), ("WARNING", "SPOOL_FILE_MAX_SIZE_MB"), ("WARNING", "landing-retries")]
    assert all(line["cause"] for line in said)


def test_retention_of_another_store_is_said_to_be_none(tmp_path, monkeypatch):
    monkeypatch.setenv("BALER_LANDING_ACCESS_KEY_ID", "foreign")
    monkeypatch.setenv("BALER_LANDING_SECRET_ACCESS_KEY", "foreign")
    with running(tmp_path, "--landing-endpoint", "http://127.0.0.1:9", "--landing-retention", "1d", "--landing-timeout", "5s") as baler:
        assert [line["setting"] for line in lines(baler, "setting-without-effect")] == ["landing-retention"]


def test_with_nothing_set_nothing_is_said(tmp_path):
    with running(tmp_path) as baler:
        assert lines(baler, "setting-without-effect") == []


def test_the_service_name_is_in_each_line(tmp_path, monkeypatch):
    monkeypatch.setenv("SERVICE_NAME", 'plant "7"')
    with running(tmp_path) as baler:
        baler.put("data/x")
        baler.wait(baler.bundles)
    with open(baler.server.log_path, encoding="utf-8") as log:
        assert {json.loads(line)["service"] for line in log} == {'plant "7"'}


@pytest.mark.parametrize("rate, written, left_out", [("0", 0, 0), ("0.25", 3, 6), ("1", 12, 0)])
def test_error_sampling_writes_that_share_of_the_lines(tmp_path, monkeypatch, rate, written, left_out):
    monkeypatch.setenv("ERROR_SAMPLING_RATE", rate)
    with running(tmp_path) as baler:
        for i in range(12):
            baler.put(f"data/{i}/COM1")
        baler.wait(lambda: len(baler.dead_letters()) == 12)
        said = lines(baler, "object-rejected")
    assert len(said) == written
    assert sum(line.get("left_out", 0) for line in said) == left_out


@pytest.mark.parametrize("name, value, bundles", [("MAX_BUNDLE_INPUT_MB", "1", 3), ("MAX_BUNDLE_INPUT_MB", "500", 1),
                                                  ("MAX_BUNDLE_ON_DISK_MB", "1", 3)])
def test_either_limit_closes_a_bundle(tmp_path, monkeypatch, name, value, bundles):
    monkeypatch.setenv(name, value)
    with running(tmp_path, "--batch-window", "1s") as baler:
        keys = {f"data/{i}" for i in range(3)}
        for key in keys:
            baler.put(key, os.urandom(600 * 1024))

        def members():
            bodies = (baler.s3.get_object(Bucket=DISTRIBUTION, Key=k)["Body"].read() for k in baler.bundles())
            return [set(tarfile.open(fileobj=io.BytesIO(b)).getnames()) for b in bodies]

        found = baler.wait(lambda: (m := members()) and set().union(*m) == keys and m)
    assert len(found) == bundles


def foreign_event():
    return json.dumps({"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {
        "bucket": {"name": "their-landing"},
        "object": {"key": "data/x", "size": 3, "versionId": "v1", "sequencer": "0055AED6DCD90281E5"}}}]})


@contextlib.contextmanager
def bundling_from(tmp_path, monkeypatch, url):
    monkeypatch.setenv("BALER_LANDING_ACCESS_KEY_ID", "foreign")
    monkeypatch.setenv("BALER_LANDING_SECRET_ACCESS_KEY", "foreign")
    monkeypatch.setenv("BALER_EVENTS_TOKEN", TOKEN)
    with running(tmp_path, "--landing-endpoint", url, "--landing-bucket", "their-landing", "--log-level", "DEBUG") as baler:
        answer = requests.post(baler.server.endpoint + "/-/events", data=foreign_event(), timeout=20,
                               headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.json() == {"accepted": 1}
        yield baler


@pytest.mark.parametrize("retries", [0, 2])
def test_retries_are_so_many_calls_before_the_message_goes_back(tmp_path, monkeypatch, retries):
    calls, calls_before_return = [], []

    class Busy(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            calls.append(self.path)
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("MAX_RETRIES_PER_RECORD", str(retries))
    try:
        with bundling_from(tmp_path, monkeypatch, f"http://127.0.0.1:{server.server_port}") as baler:
            baler.wait(lambda: lines(baler, "message-returned") and calls_before_return.append(len(calls)) is None)
            assert lines(baler, "setting-without-effect") == []
    finally:
        server.shutdown()
    assert calls_before_return[0] == retries + 1, calls


def test_the_timeout_ends_a_call_that_nobody_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("S3_OPERATION_TIMEOUT_SECONDS", "1")
    monkeypatch.setenv("MAX_RETRIES_PER_RECORD", "0")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with bundling_from(tmp_path, monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}") as baler:
            baler.wait(lambda: lines(baler, "message-returned"))
            assert time.monotonic() - begun < 15, "the default is 30 s"


def test_the_settings_file_of_serve_is_nobody_elses(tmp_path):
    """BALER_CONFIG stands in a container's environment for good."""
    (tmp_path / "baler.yaml").write_text("batch-window: 1s\n")
    text = refusal(tmp_path, "list", "nothing-there", BALER_CONFIG=str(tmp_path / "baler.yaml"))
    assert text.startswith("baler list: 'nothing-there': ")
    (tmp_path / "baler.yaml").write_text("batch-windows: 1s\n")
    assert "did you mean 'batch-window'?" in refusal(tmp_path, BALER_CONFIG=str(tmp_path / "baler.yaml"))
