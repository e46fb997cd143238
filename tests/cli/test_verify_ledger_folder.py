"""`baler verify --ledger` and the folder itself: it leaves no trace; what cannot be read is named, and never a crash."""
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time

import pytest

from consuming import BINARY, DISTRIBUTION, LANDING
from ledger_kit import FILES, Ledger, a_copy, a_folder_after_work, change, kinds, one_server  # noqa: F401 (fixtures)


def traces(folder):
    """Every file, folder and link with its bytes, mode and time: whatever a look could leave."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_uid,
                            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None)
    return found


def test_a_stopped_servers_folder_is_not_touched(world, folder):
    before = traces(folder)
    assert not [name for name in before if name.endswith("-shm")]
    assert world.audit(folder)[0] == 0
    assert traces(folder) == before


def test_a_killed_servers_folder_is_not_touched(tmp_path):
    """Its log is not in the database yet; the audit must see what it says."""
    running = Ledger(tmp_path / "s")
    for key, body in sorted(FILES.items())[:5]:
        running.put(key, body)
    running.wait_until_quiet(5)
    running.server.process.send_signal(signal.SIGKILL)
    running.server.process.wait()
    folder = running.folder()
    assert (folder / "baler.db-wal").stat().st_size > 0
    before = traces(folder)
    code, found = running.audit(folder)
    assert code == 0 and found["members"] == 5
    assert traces(folder) == before
    without_index = tmp_path / "copy"
    shutil.copytree(folder, without_index)
    (without_index / "baler.db-shm").unlink()
    assert running.audit(without_index)[1]["members"] == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_elses_read_only_folder(original):
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        copy = os.path.join(place, "?a#b%41")  # what a URI would take for something else
        shutil.copytree(original, copy)
        subprocess.run(["chmod", "-R", "a=rX", place], check=True)
        binary = shutil.copy(BINARY, place)
        answer = subprocess.run([binary, "verify", "--ledger", "--data", copy], user=65534, group=65534,
                                env={"TMPDIR": "/tmp"}, capture_output=True, text=True, timeout=60, check=False)
        assert answer.returncode == 0 and "0 findings" in answer.stdout, answer
        os.chmod(os.path.join(copy, "baler.db"), 0o600)
        answer = subprocess.run([binary, "verify", "--ledger", "--data", copy], user=65534, group=65534,
                                env={"TMPDIR": "/tmp"}, capture_output=True, text=True, timeout=60, check=False)
        assert answer.returncode == 2 and "open 'baler.db': Permission denied" in answer.stderr, answer


def refused(world, folder, words, *options):
    answer = world.baler("verify", "--ledger", "--data", folder, *options)
    assert answer.returncode == 2 and answer.stderr.startswith("baler verify: "), answer
    assert words in answer.stderr and answer.stdout == "", answer


def test_what_is_no_data_folder(world, folder, tmp_path):
    refused(world, tmp_path / "none", "No such file")
    refused(world, tmp_path, "no data folder of baler: it has no 'baler.db'")
    refused(world, folder, "takes no bundle", "s3://b/k")
    other = tmp_path / "other"
    other.mkdir()
    (other / "baler.db").write_bytes(b"no database at all" * 100)
    refused(world, other, "not a database")
    (other / "baler.db").write_bytes(b"")
    refused(world, other, "not a database of baler")
    (other / "baler.db").unlink()
    sqlite3.connect(other / "baler.db").execute("CREATE TABLE theirs(x)").connection.close()
    refused(world, other, "not a database of baler")
    (other / "baler.db").unlink()
    (other / "baler.db").symlink_to(folder / "baler.db")
    refused(world, other, "open 'baler.db'")


@pytest.mark.parametrize("version, words", [(0, "no schema"), (99, "written by a newer baler (schema 99")])
def test_another_schema(world, folder, version, words):
    database = sqlite3.connect(folder / "baler.db")
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
    refused(world, folder, words)


def test_a_missing_folder_of_files(world, folder):
    shutil.rmtree(folder / "blobs")
    code, found = world.audit(folder)
    assert code == 1 and {("damaged", "I4"), ("damaged", "I12"), ("damaged", "I13")} == kinds(found)
    assert all("its file 'blobs/" in f["text"] for f in found["findings"])


def test_a_damaged_database_is_named_and_never_a_crash(world, folder):
    """A page at a time, all through the file: findings, or that it cannot be read."""
    file = folder / "baler.db"
    sound = file.read_bytes()
    pages = len(sound) // 4096
    codes = set()
    for page in range(1, pages, max(1, pages // 24)):
        data = bytearray(sound)
        data[page * 4096:page * 4096 + 400] = bytes((7 * i + page) % 256 for i in range(400))
        file.write_bytes(data)
        answer = world.baler("verify", "--ledger", "--data", folder)
        assert answer.returncode in (0, 1, 2), (page, answer)
        assert answer.returncode != 2 or answer.stderr.startswith("baler verify: "), answer
        codes.add(answer.returncode)
    assert 2 in codes
    file.write_bytes(sound[:len(sound) // 2])
    refused(world, folder, "database disk image is malformed")
    file.write_bytes(sound)
    assert world.audit(folder)[0] == 0


def test_json_says_when_it_could_not_go_on(world, folder):
    """The answer is whole JSON all the same."""
    database = sqlite3.connect(folder / "baler.db")
    database.execute("DROP TABLE segment")
    database.close()
    answer = world.baler("verify", "--ledger", "--json", "--data", folder)
    assert answer.returncode == 2 and '"complete":false' in answer.stdout and "no such table" in answer.stderr


def keep_busy(world, stop, errors):
    """Producers, a consumer that takes bundles, a person who copies, deletes, redrives and replays, an invocation."""
    n = 0
    while not stop.is_set():
        n += 1
        try:
            for i in range(10):
                world.put(f"data/{i}/file", b"%d" % n * (i + 1))
            world.put(f"data/../never-{n}", b"its key is refused")
            world.s3.copy_object(Bucket=LANDING, Key=f"data/copy-{n}", CopySource={"Bucket": LANDING, "Key": "data/1/file"})
            keys = world.keys()
            for key in keys[:-1]:
                world.s3.delete_object(Bucket=DISTRIBUTION, Key=key)
            if n % 3 == 0:
                world.invoke([f"data/{i}/file" for i in range(3)])
                world.baler("deadletter", "redrive", "--all")
            if n % 4 == 0 and keys:
                world.baler("replay", keys[0])
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)
            return


@pytest.mark.parametrize("options", [(), ("--landing-retention", "1s", "--distribution-retention", "2s",
                                          "--dead-letter-retention", "1s")])
def test_nothing_is_found_while_a_server_is_hard_at_work(tmp_path, options):
    running = Ledger(tmp_path / "s", *options)
    stop, errors = threading.Event(), []
    worker = threading.Thread(target=keep_busy, args=(running, stop, errors))
    worker.start()
    try:
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            code, found = running.audit(running.folder())
            assert code == 0, found["findings"]
    finally:
        stop.set()
        worker.join()
        running.close()
    assert not errors, errors
    code, found = running.audit(running.folder())
    assert code == 0 and found["direct"] > 0 and found["manifests"] > 0, found
