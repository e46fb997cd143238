"""`baler status` and the admin API behind it: what it says, who may ask."""
import fcntl
import http.server
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time

import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from operator_kit import BINARY, DISTRIBUTION, LANDING, Baler


@pytest.fixture(scope="module")
def baler(tmp_path_factory):
    running = Baler(tmp_path_factory.mktemp("status") / "s")
    yield running
    running.stop()


def ask(baler, method, path, body=b"", key=None, headers=None, sign=True):
    """A raw request, signed with the root key or another."""
    access, secret = key or (baler.server.access_key, baler.server.secret_key)
    request = AWSRequest(method=method, url=baler.server.endpoint + path, data=body, headers=headers or {})
    if sign:
        S3SigV4Auth(Credentials(access, secret), "s3", "us-east-1").add_auth(request)
    return requests.request(method, baler.server.endpoint + path, data=body, headers=dict(request.headers), timeout=20)


def test_status_counts_what_was_received_and_bundled(baler):
    before = baler.json("status")
    for i in range(7):
        baler.put(f"data/status/{i}", b"y" * 10)
    baler.put("elsewhere/not-bundled", b"z" * 30)
    status = baler.wait(lambda: (s := baler.json("status"))["last_minute"]["bundled_objects"] -
                        before["last_minute"]["bundled_objects"] == 7 and s)
    assert status["landing"] == {"bucket": LANDING, "objects": before["landing"]["objects"] + 8,
                                 "bytes": before["landing"]["bytes"] + 100}
    assert status["last_minute"]["received_objects"] - before["last_minute"]["received_objects"] == 8
    listed = baler.s3.list_objects_v2(Bucket=DISTRIBUTION)["Contents"]
    assert status["distribution"] == {"bucket": DISTRIBUTION, "bundles": len(listed), "bytes": sum(o["Size"] for o in listed)}
    assert status["queue"]["dead_letters"] == 0 and status["last_error"] is None
    assert status["version"] and status["uptime_ms"] > 0


def test_a_consumed_bundle_does_not_wait_any_more(baler):
    baler.put("data/consumed")
    baler.wait(baler.bundles)
    baler.wait(lambda: baler.json("status")["queue"] ["in_flight"] == 0)
    for key in baler.bundles():
        baler.s3.delete_object(Bucket=DISTRIBUTION, Key=key)
    status = baler.json("status")
    assert (status["distribution"]["bundles"], status["distribution"]["bytes"]) == (0, 0)


def test_the_queue_is_shown_while_a_batch_waits(tmp_path):
    slow = Baler(tmp_path / "s", "--batch-window", "1h")
    try:
        slow.put("data/waits")
        queue = slow.wait(lambda: (q := slow.json("status")["queue"])["in_flight"] == 1 and q)
        assert queue["visible"] == 0
        time.sleep(0.2)
        assert slow.json("status")["queue"]["oldest_ms"] >= 200
        assert slow.json("status")["plans"] == {"open": 0, "sealed": 0}
    finally:
        slow.stop()


def test_the_table_is_for_people(baler):
    answer = baler.run("status")
    assert answer.returncode == 0
    for word in ("queue", "dead letters", "landing", "distribution", "last minute", "last error     none"):
        assert word in answer.stdout


def test_watch_goes_on_until_interrupted(baler):
    command = [BINARY, "status", "--watch", "--interval", "200ms", "--json", "--endpoint-url", baler.server.endpoint]
    environment = {"AWS_ACCESS_KEY_ID": baler.server.access_key, "AWS_SECRET_ACCESS_KEY": baler.server.secret_key}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        process.terminate()
    times = [json.loads(line)["time"] for line in lines]
    assert times == sorted(set(times))


def test_watch_ends_when_nobody_reads_it_any_more(baler):
    command = [BINARY, "status", "--watch", "--interval", "100ms", "--endpoint-url", baler.server.endpoint]
    environment = {"AWS_ACCESS_KEY_ID": baler.server.access_key, "AWS_SECRET_ACCESS_KEY": baler.server.secret_key}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            process.stdout.close()  # "| head -1"
            assert process.wait(20) == 0
        finally:
            process.kill()


class Terminal:
    """`baler status --watch` on a terminal of 80 columns."""

    def __init__(self, baler):
        self.screen, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [BINARY, "status", "--watch", "--interval", "100ms", "--endpoint-url", baler.server.endpoint], stdout=theirs,
            stderr=subprocess.PIPE, text=True, env={"AWS_ACCESS_KEY_ID": baler.server.access_key,
                                                    "AWS_SECRET_ACCESS_KEY": baler.server.secret_key})
        os.close(theirs)
        self.text = ""

    def looks(self, n, seconds=20):
        """n more whole looks, each as its lines."""
        until = time.monotonic() + seconds
        self.text = ""
        while self.text.count("last error") <= n and time.monotonic() < until:
            self.text += os.read(self.screen, 4096).decode()
        return [part.replace("\r\n", "\n").splitlines() for part in self.text.split("\x1b[H\x1b[2J")[1:n + 1]]

    def stop(self):
        self.process.terminate()
        self.process.wait()
        os.close(self.screen)


def test_watch_fits_a_terminal_of_80_columns(tmp_path):
    named = Baler(tmp_path / "s", "--distribution-bucket", "d" * 63)
    terminal = Terminal(named)
    try:
        first, second = terminal.looks(2)
    finally:
        terminal.stop()
        named.stop()
    assert [line.split()[0] for line in first] == [line.split()[0] for line in second]
    assert len(second) == 17 and max(map(len, second)) == 80


def test_watch_outlives_a_restart_of_the_server(tmp_path):
    data = tmp_path / "s"
    baler = Baler(data)
    port = baler.server.endpoint.rsplit(":", 1)[1]
    terminal = Terminal(baler)
    try:
        terminal.looks(1)
        baler.stop()
        assert "127.0.0.1" in terminal.process.stderr.readline()
        with subprocess.Popen(
                [BINARY, "serve", "--data", str(data / "data"), "--listen", f"127.0.0.1:{port}"], stderr=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, env={"BALER_ROOT_ACCESS_KEY": baler.server.access_key,
                                                "BALER_ROOT_SECRET_KEY": baler.server.secret_key}) as again:
            assert terminal.looks(1)
            again.terminate()
    finally:
        terminal.stop()


def test_a_server_that_hangs_is_named_after_ten_seconds(tmp_path):
    baler = Baler(tmp_path / "s")
    baler.server.process.send_signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        answer = baler.run("status")
        assert time.monotonic() - begun < 25
        assert answer.returncode == 2 and baler.server.endpoint in answer.stderr
    finally:
        baler.server.process.send_signal(signal.SIGCONT)
        baler.stop()


def test_what_an_error_quotes_reaches_no_terminal_raw(baler):
    answer = baler.json("status")
    answer["last_error"] = {"time": "now", "event": "x", "text": "'data/\x1b[31mred\x07\u009b2J\x7f' is \u00fcble\nsecond line"}

    class Fake(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # pylint: disable=invalid-name
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Fake) as fake:
        threading.Thread(target=fake.handle_request, daemon=True).start()
        shown = baler.run("status", AWS_ENDPOINT_URL=f"http://127.0.0.1:{fake.server_port}").stdout
    assert "'data/?[31mred???2J?' is \u00fcble" in shown
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)


@pytest.mark.parametrize("words, variables, says", [
    (("status",), {"AWS_SECRET_ACCESS_KEY": "wrong"}, "signature"),
    (("status",), {"AWS_ACCESS_KEY_ID": "nobody"}, "not known here"),
    (("status",), {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "127.0.0.1"),
    (("status",), {"AWS_ENDPOINT_URL": ""}, "AWS_ENDPOINT_URL"),
    (("status",), {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "credentials"),
    (("status", "extra"), {}, "takes no operand such as 'extra'"),
    (("status", "--interval", "0s"), {}, "out of range"),
])
def test_mistakes_exit_2_and_are_explained(baler, words, variables, says):
    answer = baler.run(*words, **variables)
    assert answer.returncode == 2 and says in answer.stderr and answer.stdout == ""


@pytest.mark.parametrize("method, path", [
    ("GET", "/-/api/v1/status"), ("GET", "/-/api/v1/deadletters"), ("GET", "/-/api/v1/deadletters/0123456789abcdef"),
    ("POST", "/-/api/v1/deadletters/redrive"), ("DELETE", "/-/api/v1/deadletters/0123456789abcdef"),
    ("GET", "/-/api/v1/where?bucket=b&key=k"), ("POST", "/-/events"), ("GET", "/-/"), ("GET", "/-/nothing"),
])
def test_nothing_is_said_without_a_valid_signature(baler, method, path):
    for answer in (ask(baler, method, path, sign=False), ask(baler, method, path, key=(baler.server.access_key, "wrong"))):
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] in ("AccessDenied", "SignatureDoesNotMatch")
        assert baler.server.secret_key not in answer.text and "StringToSign" not in answer.text


@pytest.mark.parametrize("method, path, status, code", [
    ("GET", "/-/", 404, "NoSuchPath"), ("GET", "/-/api/v1/nothing", 404, "NoSuchPath"),
    ("GET", "/-/api/v1/status/", 404, "NoSuchPath"), ("GET", "/-/api/v1/deadletters/a/b", 404, "NoSuchPath"),
    ("GET", "/-/api/v2/status", 404, "NoSuchPath"), ("POST", "/-/api/v1/status", 405, "MethodNotAllowed"),
    ("PUT", "/-/api/v1/deadletters/0123456789abcdef", 405, "MethodNotAllowed"),
    ("GET", "/-/api/v1/deadletters/redrive", 405, "MethodNotAllowed"),
    ("GET", "/-/api/v1/deadletters/0123456789abcdef", 404, "NoSuchDeadLetter"),
    ("DELETE", "/-/api/v1/deadletters/0123456789abcdef", 404, "NoSuchDeadLetter"),
    ("GET", "/-/api/v1/deadletters/not-an-id", 400, "InvalidArgument"),
    ("GET", "/-/api/v1/deadletters?max=0", 400, "InvalidArgument"), ("GET", "/-/api/v1/deadletters?max=1001", 400, "InvalidArgument"),
    ("GET", "/-/api/v1/deadletters?after=zzz", 400, "InvalidArgument"),
])
def test_bad_requests_get_their_own_error(baler, method, path, status, code):
    answer = ask(baler, method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"ids":3}', b'{"ids":["xyz"]}', b'{"ids":[1]}', b'{"ids":[null]}',
                                  json.dumps({"ids": ["0" * 16] * 501}).encode()])
def test_a_redrive_that_makes_no_sense_is_refused(baler, body):
    answer = ask(baler, "POST", "/-/api/v1/deadletters/redrive", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidArgument")


def test_health_needs_no_key_and_names_nothing(baler):
    answer = requests.get(baler.server.endpoint + "/-/health", timeout=20)
    assert (answer.status_code, answer.text) == (200, "ok\n")
