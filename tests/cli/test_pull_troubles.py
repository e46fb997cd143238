"""`baler pull` against a store in trouble, a bucket that is large, and a folder that cannot be used."""
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tarfile
import threading
import time

import pytest

from consuming import BINARY, bundle, files_in
from fake_store import FakeStore


def key(number):
    return f"2026/11/23/11/bundle-{number:032x}.tar.gz"


@pytest.fixture(name="store")
def a_store():
    store = FakeStore()
    yield store
    store.down()


def start(store, home, *words, **variables):
    return subprocess.Popen([BINARY, *map(str, words)], env=store.environment(home) | variables, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def run(store, home, *words, timeout=60, **variables):
    process = start(store, home, *words, **variables)
    out, talk = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess(words, process.returncode, out, talk)


def until(condition, give_up_s=20):
    deadline = time.monotonic() + give_up_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def times(n, fault, only=lambda method, key, query: True):
    """The first n requests of a kind get the fault."""
    left = [n]

    def choose(*request):
        if left[0] == 0 or not only(*request):
            return None
        left[0] -= 1
        return fault
    return choose


def is_get(method, key, _):
    return method == "GET" and bool(key)


def cut(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"x" * 10)
    handler.close_connection = True


def test_throttled_it_waits_and_goes_on(store, tmp_path):
    store.objects[key(1)] = bundle({"a": b"1"})
    store.fault = times(3, lambda h: h.error(503, "SlowDown"))
    answer = run(store, tmp_path, "pull", "--to", tmp_path / "to")
    assert answer.returncode == 0 and files_in(tmp_path / "to") == {"a": b"1"} and not store.objects, answer.stderr


def test_a_body_cut_off_is_fetched_again(store, tmp_path):
    store.objects[key(1)] = bundle({"a": b"1"})
    store.fault = times(2, cut, is_get)
    answer = run(store, tmp_path, "pull", "--to", tmp_path / "to")
    assert answer.returncode == 0 and files_in(tmp_path / "to") == {"a": b"1"}, answer.stderr


def test_a_bundle_that_somebody_else_takes_is_no_failure(store, tmp_path):
    store.objects[key(1)] = store.objects[key(2)] = bundle({"a": b"1"})
    store.fault = times(1, lambda h: h.error(404, "NoSuchKey"), lambda m, k, q: m == "GET" and k == key(1))
    answer = run(store, tmp_path, "pull", "--to", tmp_path / "to", "--json")
    assert answer.returncode == 0, answer.stderr
    results = {line.get("bundle"): line.get("result") for line in map(json.loads, answer.stdout.splitlines())}
    assert results[key(1)] == "absent" and results[key(2)] is None and files_in(tmp_path / "to") == {"a": b"1"}


def test_a_store_that_dies_ends_it_with_one_sentence(store, tmp_path):
    store.down()
    answer = run(store, tmp_path, "pull", "--to", tmp_path / "to")
    store.up()
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1
    assert "bucket 'dist'" in answer.stderr and "connect" in answer.stderr.lower(), answer.stderr


def test_watching_it_outlives_the_store(store, tmp_path):
    watching = start(store, tmp_path, "pull", "--to", tmp_path / "to", "--watch", "--poll", "100ms", AWS_MAX_ATTEMPTS="1")
    store.objects[key(1)] = bundle({"a": b"1"})
    until(lambda: not store.objects)
    store.down()
    time.sleep(1.5)
    store.objects[key(2)] = bundle({"b": b"2"})
    store.up()
    until(lambda: not store.objects)
    watching.send_signal(signal.SIGTERM)
    _, talk = watching.communicate(timeout=10)
    assert watching.returncode == 0 and files_in(tmp_path / "to") == {"a": b"1", "b": b"2"}
    said = [line for line in talk.splitlines() if "connect" in line.lower()]
    assert len(said) == 1, talk  # not once a round
    assert any("again" in line for line in talk.splitlines()), talk


def test_a_terminate_is_heard_while_the_store_is_away(store, tmp_path):
    watching = start(store, tmp_path, "pull", "--to", tmp_path / "to", "--watch", "--poll", "100ms")
    store.objects[key(1)] = bundle({"a": b"1"})
    until(lambda: not store.objects)
    store.down()
    time.sleep(1.5)
    watching.send_signal(signal.SIGTERM)
    began = time.monotonic()
    watching.communicate(timeout=20)
    store.up()
    assert watching.returncode == 0 and time.monotonic() - began < 6


def test_a_terminate_is_heard_within_a_large_member(store, tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        info = tarfile.TarInfo("zeros")
        info.size = 1 << 29
        tar.addfile(info, open("/dev/zero", "rb"))
    store.objects[key(1)] = out.getvalue()
    pulling = start(store, tmp_path, "pull", "--to", tmp_path / "to")
    until(lambda: any(is_get(*r[:3]) for r in store.requests))
    time.sleep(0.3)
    pulling.send_signal(signal.SIGTERM)
    began = time.monotonic()
    pulling.communicate(timeout=30)
    assert pulling.returncode == 1 and time.monotonic() - began < 1 and store.objects
    assert files_in(tmp_path / "to") == {} and not list((tmp_path / "to/.baler-pull/work").iterdir())


def test_a_store_that_dies_within_is_told_a_few_times_not_for_each(store, tmp_path):
    store.objects = {key(i): bundle({"a": b"1"}) for i in range(60)}
    store.fault = lambda method, key, query: (lambda h: setattr(h, "close_connection", True)) if is_get(method, key, query) else None
    answer = run(store, tmp_path, "pull", "--to", tmp_path / "to", "--jobs", "2", AWS_MAX_ATTEMPTS="1")
    assert answer.returncode == 1 and len(store.objects) == 60
    assert 1 <= answer.stderr.count("bundle '") <= 8 and "60 bundles are left" in answer.stderr, answer.stderr


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_takes_the_credentials_nowhere(store, tmp_path, status):
    other = FakeStore()
    store.objects[key(1)] = bundle({"a": b"1"})
    store.fault = times(99, lambda h: h.error(status, "TemporaryRedirect", Location=other.endpoint + "/dist"), is_get)
    answer = run(store, tmp_path, "pull", "--to", tmp_path / "to")
    other.down()
    assert answer.returncode == 1 and other.requests == []
    assert f"HTTP {status} TemporaryRedirect" in answer.stderr, answer.stderr


def test_a_bucket_of_20000_is_taken_in_bounded_memory(store, tmp_path):
    """Paged; the listing of a round and no more is in memory."""
    body = bundle({"a": b"1"})
    store.objects = {key(i): body for i in range(20_000)}
    store.fault = lambda method, key, query: (lambda h: h.error(403, "AccessDenied")) if is_get(method, key, query) else None
    process = subprocess.Popen([BINARY, "pull", "--to", tmp_path / "to", "--jobs", "2"], env=store.environment(tmp_path),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    try:
        until(lambda: len({r[1] for r in store.requests if is_get(*r[:3])}) > 20, 60)
        peak = int(next(line for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
                        if line.startswith("VmHWM")).split()[1])
    finally:
        process.kill()
        process.wait()
    pages = [r for r in store.requests if "list-type" in r[2]]
    assert len(pages) == 11 and all(r[2]["max-keys"] == "1000" for r in pages)
    limit = 48_000 if b"__asan_init" not in pathlib.Path(BINARY).read_bytes() else 200_000
    assert peak < limit, peak  # KiB


@pytest.mark.parametrize("what, says", [
    ("file", "folder '{}'"), ("below a file", "folder '{}'"), ("read only", "folder '{}'"), ("empty", "--to")])
def test_a_folder_that_cannot_be_used(store, tmp_path, what, says):
    (tmp_path / "file").write_bytes(b"")
    to = {"file": tmp_path / "file", "below a file": tmp_path / "file/to", "read only": "/proc/to", "empty": ""}[what]
    answer = run(store, tmp_path, "pull", "--to", to)
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1 and says.format(to) in answer.stderr, answer.stderr


def test_no_credentials(store, tmp_path):
    environment = store.environment(tmp_path)
    del environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    answer = subprocess.run([BINARY, "pull", "--to", tmp_path / "to"], env=environment, capture_output=True, text=True, timeout=30,
                            check=False)
    assert answer.returncode == 2 and "no AWS credentials: set AWS_ACCESS_KEY_ID" in answer.stderr
    assert not os.path.exists(tmp_path / "to")


def test_names_as_long_as_can_be(store, tmp_path):
    longest = "/".join(["d" * 250] * 4 + ["f" * 20])
    store.objects[key(1)] = bundle({longest[:1024]: b"1", "x" * 255: b"2"})
    store.objects[key(2)] = bundle({"fine": b"3", "x" * 256: b"4"})
    store.objects[key(3)] = bundle({"y" * 256 + "/f": b"5"})
    answer = run(store, tmp_path, "pull", "--to", tmp_path / "to")
    assert answer.returncode == 1 and answer.stderr.count("takes no name as long") == 2, answer.stderr
    assert list(store.objects) == [key(2), key(3)]
    assert files_in(tmp_path / "to") == {longest: b"1", "x" * 255: b"2", "fine": b"3"}


def test_a_name_that_is_a_file_and_a_folder(store, tmp_path):
    store.objects[key(1)] = bundle({"a": b"1", "a/b": b"2"})
    store.objects[key(2)] = bundle({"c/d": b"3", "c": b"4"})
    answer = run(store, tmp_path, "pull", "--to", tmp_path / "to")
    assert answer.returncode == 1 and len(store.objects) == 2
    assert "to/a/b': 'a' is there and is not a folder" in answer.stderr and "to/c'" in answer.stderr, answer.stderr


class Swapper(threading.Thread):
    """Puts a link that leads outside in the place of a folder, and the folder back, as fast as it can."""

    def __init__(self, folder, outside):
        super().__init__()
        self.folder, self.outside, self.stopping, self.n = folder, outside, threading.Event(), 0

    def run(self):
        aside = self.folder.with_name("aside")
        while not self.stopping.is_set():
            try:
                self.folder.rename(aside)
                self.folder.symlink_to(self.outside)
                self.n += 1
                self.folder.unlink()
                aside.rename(self.folder)
            except OSError:  # pull has made the folder in between
                shutil.rmtree(aside, ignore_errors=True)
                if self.folder.is_symlink():
                    self.folder.unlink()


def test_a_folder_swapped_for_a_link_leads_nowhere(store, tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "to/d"
    outside.mkdir()
    folder.mkdir(parents=True)
    store.objects = {key(i): bundle({f"d/e/{i}-{j}": b"x" for j in range(10)}) for i in range(30)}
    swapper = Swapper(folder, outside)
    swapper.start()
    try:
        for _ in range(3):
            answer = run(store, tmp_path, "pull", "--to", tmp_path / "to", "--keep")
            assert answer.returncode in (0, 1)
            store.objects = {k: bundle({f"d/e/{os.urandom(4).hex()}": b"y" for _ in range(10)}) for k in store.objects}
    finally:
        swapper.stopping.set()
        swapper.join()
    assert swapper.n > 20 and list(outside.iterdir()) == []
