"""The line that tells how far a long command is: what a terminal shows of it, at any width, and that nothing is left of it."""
import concurrent.futures
import fcntl
import hashlib
import http.server
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time

import pytest

from consuming import BINARY, bundle
from operator_kit import Baler

KEY = "2026/11/23/11/bundle-" + "0" * 31 + "1.tar.gz"
FILES = {f"f{i}": os.urandom(50_000) for i in range(20)}
BODY = bundle(FILES)
SLOW_S = 2.6  # beyond the 2 s before which there is no line


class SlowStore(http.server.BaseHTTPRequestHandler):
    """A bucket of one bundle whose bytes, and whose copies, take their time. Each request by the method's name."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body=b"", **headers):
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def object_headers(self):
        return {"x_amz_meta_content_sha256": hashlib.sha256(BODY).hexdigest(), "Content_Length": str(len(BODY)),
                "Last_Modified": "Mon, 23 Nov 2026 11:00:00 GMT", "ETag": '"e"'}

    def do_HEAD(self):
        self.answer(**(self.object_headers() if "bundle" in self.path else {"x_amz_bucket_region": "us-east-1"}))

    def do_GET(self):
        if "list-type" in self.path:
            self.answer(f"""<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated><Contents><Key>{KEY}</Key>
                <LastModified>2026-11-23T11:00:00Z</LastModified><ETag>"e"</ETag><Size>{len(BODY)}</Size></Contents>
                </ListBucketResult>""".encode())
            return
        self.send_response(200)
        for name, value in self.object_headers().items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        step = len(BODY) // 20
        for at in range(0, len(BODY), step):
            self.wfile.write(BODY[at:at + step])
            time.sleep(SLOW_S / 20)

    def do_PUT(self):
        time.sleep(SLOW_S)
        self.answer(b"<CopyObjectResult><ETag>\"e\"</ETag><LastModified>2026-11-23T11:00:00Z</LastModified></CopyObjectResult>")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(b"<DeleteResult></DeleteResult>")


@pytest.fixture(scope="module", name="environment")
def slow_store():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowStore)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | {
        "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "TERM": "xterm", "HOME": "/nonexistent",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}"}
    server.shutdown()
    server.server_close()


def commands(tmp_path):
    return {"pull": ["pull", "--to", str(tmp_path / "to")], "verify": ["verify", f"s3://b/{KEY}"],
            "list": ["list", f"s3://b/{KEY}"], "replay": ["replay", KEY]}


def on_terminal(words, environment, columns, until=None):
    """Runs it with a terminal for its stderr; (what was written there, exit status). until: text that brings a SIGINT."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([BINARY, *words], env=environment, stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    seen = b""
    try:
        while select.select([ours], [], [], 30)[0]:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            seen += piece
            if until and until in seen:
                process.send_signal(signal.SIGINT)
                until = None
        status = process.wait(30)
    finally:
        process.kill()
        os.close(ours)
    return seen.decode(), status


def screen(text):
    """The lines a terminal would show in the end, for the few things that are written to it."""
    lines = [""]
    for part in re.findall(r"\r\n|\r|\033\[K|[^\r\033]+", text):
        if part == "\r\n":
            lines.append("")
        elif part == "\r":
            lines[-1] = "\r" + lines[-1].lstrip("\r")
        elif part == "\033[K":
            lines[-1] = "" if lines[-1].startswith("\r") else lines[-1]
        else:
            lines[-1] = part if lines[-1].startswith("\r") else lines[-1] + part
    return lines


LONG = [("pull", 80), ("pull", 30), ("verify", 80), ("list", 40), ("replay", 80)]
BROKEN_OFF = ["pull", "verify"]


@pytest.fixture(scope="module", name="runs")
def all_at_once(environment, tmp_path_factory):
    """What each wrote to its terminal, and its status; all at a time, since each takes its seconds."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        def begin(command, *more, **options):
            return pool.submit(on_terminal, commands(tmp_path_factory.mktemp("run"))[command], environment, *more, **options)
        runs = {(command, columns): begin(command, columns) for command, columns in LONG}
        runs |= {(command, "^C"): begin(command, 80, until=b"%") for command in BROKEN_OFF}
        return {name: run.result() for name, run in runs.items()}


@pytest.mark.parametrize("command, columns", LONG)
def test_a_long_job_shows_how_far_it_is(runs, command, columns):
    seen, status = runs[command, columns]
    assert status == 0, seen
    lines = re.findall(r"\r([^\r\033]*%[^\r\033]*)\033\[K", seen)
    assert lines and all(len(line) < columns for line in lines), seen
    if command != "replay":  # one copy: nobody can say more than that it is at work
        assert any(re.search(r"\d:\d\d left", line) for line in lines), lines
        assert columns < 40 or any(re.search(r"[KM]iB/s", line) for line in lines), lines
    assert "%" not in "".join(screen(seen)), screen(seen)


@pytest.mark.parametrize("command", BROKEN_OFF)
def test_an_interrupt_leaves_a_clean_line(runs, command):
    seen, status = runs[command, "^C"]
    assert status != 0
    assert "%" in seen and "%" not in "".join(screen(seen)), seen


def test_nothing_of_it_in_a_pipe(environment, tmp_path):
    running = [subprocess.Popen([BINARY, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for words in commands(tmp_path).values()]
    for process in running:
        out, talk = process.communicate(timeout=30)
        assert process.returncode == 0 and "%" not in out + talk and "\r" not in out + talk, talk


def waits_for_its_reader(process, seconds=60):
    """Its main thread has slept for half a second without using the CPU."""
    seen, until = [], time.monotonic() + seconds
    while len(seen) < 5 or set(seen[-5:]) != {("S", *seen[-1][1:])}:
        assert time.monotonic() < until and process.poll() is None, seen
        time.sleep(0.1)
        fields = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        seen.append((fields[0], fields[11], fields[12]))


def test_nothing_draws_when_the_ledger_is_verified(tmp_path):
    """It has many phases, each with a line of its own; at the end, when it gives its results, nobody is there who would draw."""
    baler = Baler(tmp_path / "s")
    baler.put("data/x")
    baler.wait(baler.bundles)
    baler.stop()
    screen_side, terminal = pty.openpty()
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"-" * size)  # so that it has to wait with its first line
    words = [BINARY, "verify", "--ledger", "--data", str(tmp_path / "s" / "data")]
    with subprocess.Popen(words, env=os.environ | {"TERM": "xterm"}, stdout=writer, stderr=terminal) as process:
        try:
            os.close(writer)
            waits_for_its_reader(process)
            names = [p.read_text().strip() for p in pathlib.Path(f"/proc/{process.pid}/task").glob("*/comm")]
            assert "meter" not in names, names
            while os.read(reader, 4096):
                pass
            assert process.wait(30) == 0
        finally:
            process.kill()
            for fd in (reader, screen_side, terminal):
                os.close(fd)
