"""What a start refuses: a data folder whose files are missing, empty, older, another folder's, or not plain files."""
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

import boto3
import pytest
from botocore.config import Config

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from server import ROOT, Server  # noqa: E402

BINARY = os.environ.get("BALER_BIN", str(ROOT / "build/src/cli/baler"))
LANDING = "data-aggregator-landing-dev"


def client(server):
    return boto3.client(
        "s3", endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key, config=Config(retries={"max_attempts": 1}))


def put(server, key, size):
    client(server).put_object(Bucket=LANDING, Key=key, Body=os.urandom(size))


def start(folder, *words):
    """One start that is expected to end by itself."""
    return subprocess.run([BINARY, "serve", "--data", str(folder), "--listen", "127.0.0.1:0", *words], capture_output=True,
                          text=True, timeout=10, check=False)


def serve(folder):
    return Server(data=str(folder.parent))


def files(folder):
    return {str(p.relative_to(folder)): p.stat().st_size for p in pathlib.Path(folder).rglob("*") if p.is_file()}


@pytest.fixture
def used(tmp_path):
    """A folder that was served: three large objects (files) and one small one (a row)."""
    folder = tmp_path / "d" / "data"
    folder.parent.mkdir()
    server = serve(folder)
    for i in range(3):
        put(server, f"stored/{i}", 300000)
    put(server, "stored/small", 10)
    assert server.stop() == 0
    return folder


def refused(folder, *texts):
    before = files(folder)
    done = start(folder)
    assert done.returncode == 2, done.stderr
    for text in texts:
        assert text in done.stderr
    assert [f for f in files(folder).items() if f[0].startswith("blobs")] == [f for f in before.items() if f[0].startswith("blobs")]


def blobs(folder):
    return [k for k in files(folder) if k.startswith("blobs")]


def test_an_emptied_database_beside_blobs_is_refused(used):
    for name in ("baler.db-wal", "baler.db-shm"):
        (used / name).unlink(missing_ok=True)
    (used / "baler.db").write_bytes(b"")
    refused(used, "baler.db", "missing or empty", "Restore")
    assert len(blobs(used)) == 3


@pytest.mark.parametrize("left", ["mark", "blobs", "root-key", "master-key"])
def test_a_missing_database_is_refused_by_whatever_is_left(used, left):
    if left.endswith("-key") and not (used / left).exists():
        (used / left).write_text("x")
    for path in list(used.iterdir()):
        if path.name != left and path.name != "blobs":
            path.unlink()
    if left != "blobs":
        shutil.rmtree(used / "blobs")
    refused(used, "missing or empty", left)


def test_a_missing_database_with_its_log_is_refused(tmp_path):
    folder = tmp_path / "d" / "data"
    folder.parent.mkdir()
    server = serve(folder)
    put(server, "stored/a", 10)
    server.process.kill()
    server.process.wait()
    (folder / "mark").unlink()
    (folder / "root-key").unlink(missing_ok=True)
    assert (folder / "baler.db-wal").stat().st_size > 0
    (folder / "baler.db").unlink()
    wal = (folder / "baler.db-wal").read_bytes()
    done = start(folder)
    assert done.returncode == 2 and "baler.db-wal" in done.stderr
    assert (folder / "baler.db-wal").read_bytes() == wal


def test_an_older_database_is_refused_and_keeps_the_newer_blobs(used, tmp_path):
    old = tmp_path / "old.db"
    shutil.copy(used / "baler.db", old)
    time.sleep(1.2)  # the mark is written about once a second
    server = serve(used)
    put(server, "stored/new", 300000)
    assert server.stop() == 0
    shutil.copy(old, used / "baler.db")
    refused(used, "older than its folder", "remove", "mark")
    assert len(blobs(used)) == 4
    (used / "mark").unlink()  # the way out that the text names
    server = serve(used)
    assert client(server).get_object(Bucket=LANDING, Key="stored/0")["ContentLength"] == 300000
    assert server.stop() == 0
    assert len(blobs(used)) == 3, "what the older database does not know is gone, as the text said"


def test_the_database_of_another_folder_is_refused(used, tmp_path):
    (tmp_path / "other").mkdir()
    other = serve(tmp_path / "other" / "data")
    put(other, "stored/x", 300000)
    assert other.stop() == 0
    shutil.copy(tmp_path / "other" / "data" / "baler.db", used / "baler.db")
    refused(used, "another data folder")
    assert len(blobs(used)) == 3


def test_a_folder_without_a_mark_is_served_and_gets_one(used):
    (used / "mark").unlink()
    server = serve(used)
    put(server, "stored/y", 10)
    assert server.stop() == 0
    assert (used / "mark").stat().st_size > 0


def test_a_folder_of_the_form_of_before_gets_an_id(used):
    (used / "mark").unlink()
    with sqlite3.connect(used / "baler.db") as db:
        db.execute("DELETE FROM meta WHERE name = 'folder_id'")
    db.close()
    for _ in range(2):
        server = serve(used)
        put(server, "stored/z", 10)
        assert server.stop() == 0


@pytest.mark.parametrize("kill", [False, True])
def test_every_restart_of_a_busy_folder_passes_the_check(tmp_path, kill):
    folder = tmp_path / "d" / "data"
    folder.parent.mkdir()
    for i in range(4):
        server = serve(folder)
        for j in range(3):
            put(server, f"stored/{i}-{j}", 1000)
            time.sleep(0.2 if kill else 0)
        if kill:
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
        else:
            assert server.stop() == 0


@pytest.mark.parametrize("name", ["reserve", "mark", "lock", "root-key", "master-key", "baler.db", "baler.db-wal"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "socket"])
def test_what_is_not_a_plain_file_is_refused_at_once(used, name, kind):
    path = used / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as s:
            cwd = os.getcwd()
            os.chdir(used)  # a socket's path has at most 107 bytes
            try:
                s.bind(name)
            finally:
                os.chdir(cwd)
    done = start(used)
    assert done.returncode == 2, done.stderr
    assert name in done.stderr and "not a plain file" in done.stderr
