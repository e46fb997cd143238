"""`baler pull`: nothing lost and nothing deleted too early, whatever is in the bucket, in the folder, or happens meanwhile."""
import io
import json
import os
import random
import signal
import subprocess
import tarfile
import threading
import time

import pytest

from consuming import ARCHIVE, DISTRIBUTION, World, bundle, files_in

KILLS = int(os.environ.get("BALER_PULL_KILLS", "10"))
SEED = int(os.environ.get("BALER_SEED", str(random.randrange(1 << 32))))


@pytest.fixture
def world(tmp_path):
    running = World(tmp_path / "s")
    yield running
    running.close()


def key(number):
    return f"2026/11/23/11/bundle-{number:032x}.tar.gz"


def test_files_come_and_bundles_go(world, tmp_path):
    files = {f"data/a/{i % 3}/{i} é+=.bin": os.urandom(i * 100) for i in range(20)}
    for name, body in files.items():
        world.put(name, body)
    world.wait_until_quiet(len(files))
    n = len(world.keys())
    answer = world.baler("pull", "--to", tmp_path / "to", "--json")
    assert answer.returncode == 0, answer.stderr
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert len(lines) == n + 1 and all(line["ok"] and line["deleted"] for line in lines[:-1])
    assert (lines[-1]["bundles"], lines[-1]["files"], lines[-1]["new"], lines[-1]["failed"]) == (n, 20, 20, 0)
    assert files_in(tmp_path / "to") == files
    assert world.keys() == []
    again = world.baler("pull", "--to", tmp_path / "to")
    assert again.returncode == 0 and "0 bundles" in again.stderr


def versions_in(world, prefix=""):
    page = world.s3.list_object_versions(Bucket=DISTRIBUTION, Prefix=prefix)
    return [v["Key"] for v in page.get("Versions", []) + page.get("DeleteMarkers", [])]


def test_of_a_taken_bundle_no_version_and_no_delete_marker_stays(world, tmp_path):
    """[OS-18] also of a key that was published several times; a key that only begins alike is another."""
    for _ in range(3):
        world.publish(key(1), bundle({"f": b"1"}))
    world.s3.delete_object(Bucket=DISTRIBUTION, Key=key(1))
    world.publish(key(1), bundle({"f": b"1"}))
    world.publish(key(1) + ".bundle-of-another", bundle({"g": b"2"}))
    world.s3.delete_object(Bucket=DISTRIBUTION, Key=key(1) + ".bundle-of-another")
    assert world.baler("pull", "--to", tmp_path / "to").returncode == 0
    assert versions_in(world) == 2 * [key(1) + ".bundle-of-another"]


def test_a_version_that_comes_after_the_taken_one_stays_and_is_taken_next(world, tmp_path):
    """The first pull extracts, and is killed before it deletes: the journal knows the bundle."""
    to = tmp_path / "to"
    world.publish(key(1), bundle({"f": b"1"}))
    assert world.baler("pull", "--to", to, "--keep").returncode == 0
    world.publish(key(1), bundle({"f": b"2"}))
    world.publish(key(2), bundle({"g": b"3"}))
    assert world.baler("pull", "--to", to, "--keep").returncode == 0
    versions = world.s3.list_object_versions(Bucket=DISTRIBUTION, Prefix=key(2))["Versions"]
    world.s3.delete_object(Bucket=DISTRIBUTION, Key=key(2), VersionId=versions[0]["VersionId"])
    answer = world.baler("pull", "--to", to)  # extracted before: only deleted now
    assert answer.returncode == 0 and versions_in(world) == [], answer.stderr
    assert files_in(to) == {"f": b"2", "g": b"3"}


def test_an_overwritten_file_arrives_in_its_latest_version(world, tmp_path):
    for version in (b"one", b"two"):
        before = len(world.keys())
        world.put("data/key", version)
        world.bundles(before + 1)
    answer = world.baler("pull", "--to", tmp_path / "to")
    assert answer.returncode == 0, answer.stderr
    assert files_in(tmp_path / "to") == {"data/key": b"two"}
    world.put("data/key", b"three")  # and in a later run
    world.bundles()
    assert world.baler("pull", "--to", tmp_path / "to").returncode == 0
    assert files_in(tmp_path / "to") == {"data/key": b"three"}


def test_keep_leaves_the_bundles_and_extracts_them_once(world, tmp_path):
    world.publish(key(1), bundle({"a": b"1"}))
    assert world.baler("pull", "--to", tmp_path, "--keep").returncode == 0
    assert world.keys() == [key(1)]
    (tmp_path / "a").unlink()  # whoever takes the file away does not get it again
    answer = world.baler("pull", "--to", tmp_path, "--keep")
    assert answer.returncode == 0 and not (tmp_path / "a").exists()
    assert "extracted before" in world.baler("pull", "--to", tmp_path).stdout
    assert world.keys() == [] and not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_watch_takes_what_comes_until_a_signal(world, tmp_path, name):
    watching = world.start("pull", "--to", tmp_path / "to", "--watch", "--poll", "100ms")
    for number in range(3):
        world.publish(key(number), bundle({f"f{number}": b"x"}))
        deadline = time.monotonic() + 10
        while world.keys() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert world.keys() == [] and len(files_in(tmp_path / "to")) == 3
    watching.send_signal(getattr(signal, name))
    _, talk = watching.communicate(timeout=10)
    assert watching.returncode == 0, talk
    assert "3 bundles, 3 files" in talk


BAD = {
    "wrong hash": (bundle({"a": b"1"}), {"content_sha256": "0" * 64}, "content-sha256 says 0000"),
    "no hash": (bundle({"a": b"1"}), {"content_sha256": ""}, "no metadata content-sha256"),
    "truncated": (bundle({"a": b"1"})[:-4], {}, "cut off"),
    "not a bundle": (b"hello", {}, "not a whole gzip file"),
    "dot dot": (bundle({"good": b"1", "../../evil": b"1"}), {}, "unsafe name"),
    "absolute": (bundle({"good": b"1", "/tmp/baler-evil": b"1"}), {}, "unsafe name"),
    "own folder": (bundle({"good": b"1", ".baler-pull/journal": b"1"}), {}, "pull's own folder"),
    "symlink": (bundle({"good": b"1"}, link={"type": b"2", "linkname": "/etc"}), {}, "not a regular file"),
    "hard link": (bundle({"good": b"1"}, link={"type": b"1", "linkname": "good"}), {}, "not a regular file"),
    "device": (bundle({"good": b"1"}, dev={"type": b"3"}), {}, "not a regular file"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_bundle_stays_and_does_not_hold_up_the_others(world, tmp_path, kind):
    body, metadata, says = BAD[kind]
    world.publish(key(1), body, **metadata)
    world.publish(key(2), bundle({"other": b"2"}))
    answer = world.baler("pull", "--to", tmp_path / "to")
    assert answer.returncode == 1
    assert key(1) in answer.stderr and says in answer.stderr
    assert world.keys() == [key(1)]
    assert files_in(tmp_path / "to") == {"other": b"2"}
    assert not (tmp_path / "evil").exists() and not os.path.exists("/tmp/baler-evil")


def test_somebody_elses_file_is_not_overwritten(world, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to/a").write_bytes(b"mine")
    world.publish(key(0xabc), bundle({"a": b"theirs"}))
    answer = world.baler("pull", "--to", tmp_path / "to")
    assert answer.returncode == 1
    assert key(0xabc) in answer.stderr and "to/a'" in answer.stderr and "--on-conflict=beside" in answer.stderr
    assert files_in(tmp_path / "to") == {"a": b"mine"} and world.keys() == [key(0xabc)]
    answer = world.baler("pull", "--to", tmp_path / "to", "--on-conflict", "beside")
    assert answer.returncode == 0, answer.stderr
    assert files_in(tmp_path / "to") == {"a": b"mine", "a~" + "0" * 16: b"theirs"} and world.keys() == []


def test_a_link_in_the_folder_leads_nowhere(world, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "to/dir").symlink_to(outside)
    (tmp_path / "to/file").symlink_to(outside / "file")
    world.publish(key(1), bundle({"dir/x": b"1"}))
    world.publish(key(2), bundle({"file": b"2"}))
    answer = world.baler("pull", "--to", tmp_path / "to")
    assert answer.returncode == 1
    assert list(outside.iterdir()) == []
    assert world.keys() == [key(1), key(2)]


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True,
                      check=False).returncode:
        pytest.skip("cannot mount a small disk here (needs root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing(world, tmp_path, small_disk):
    files = {f"f{i}": os.urandom(400_000) for i in range(20)}
    for i, (name, body) in enumerate(files.items()):
        world.publish(key(i), bundle({name: body}))
    answer = world.baler("pull", "--to", small_disk / "to")
    assert answer.returncode == 1
    assert answer.stderr.count("No space left on device") == 1, answer.stderr
    there, left = files_in(small_disk / "to"), world.keys()
    assert 0 < len(there) < 20 and len(left) == 20 - len(there) and f"{len(left)} bundles are left" in answer.stderr
    assert all(files[name] == body for name, body in there.items())
    assert not list((small_disk / "to/.baler-pull/work").iterdir())
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert world.baler("pull", "--to", small_disk / "to").returncode == 0
    assert files_in(small_disk / "to") == files and world.keys() == []


@pytest.mark.parametrize("what", ["bomb", "large bundle"])
def test_a_bundle_too_large_for_the_disk_does_not_hold_up_the_others(world, tmp_path, small_disk, what):
    world.publish(key(1), bundle({"large": bytes(50_000_000) if what == "bomb" else os.urandom(5_000_000)}))
    for i in range(2, 8):
        world.publish(key(i), bundle({f"f{i}": b"x"}))
    answer = world.baler("pull", "--to", small_disk / "to", "--jobs", "1")
    assert answer.returncode == 1 and answer.stderr.count("No space left on device") == 1, answer.stderr
    assert files_in(small_disk / "to") == {f"f{i}": b"x" for i in range(2, 8)} and world.keys() == [key(1)]
    assert not list((small_disk / "to/.baler-pull/work").iterdir())


def test_watching_a_full_disk_it_says_so_once_and_goes_on_when_there_is_room(world, tmp_path, small_disk):
    files = {f"f{i}": os.urandom(1_500_000) for i in range(4)}
    for i, (name, body) in enumerate(files.items()):
        world.publish(key(i), bundle({name: body}))
    watching = world.start("pull", "--to", small_disk / "to", "--watch", "--poll", "100ms", "--jobs", "1")
    time.sleep(4)  # at least two looks at the bucket
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    deadline = time.monotonic() + 20
    while world.keys() and time.monotonic() < deadline:
        time.sleep(0.1)
    watching.terminate()
    _, talk = watching.communicate(timeout=10)
    assert files_in(small_disk / "to") == files and talk.count("No space left on device") == 1, talk


def test_a_second_pull_into_the_same_folder_is_refused(world, tmp_path):
    watching = world.start("pull", "--to", tmp_path / "to", "--watch")
    deadline = time.monotonic() + 10
    while not (tmp_path / "to/.baler-pull/journal").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    answer = world.baler("pull", "--to", tmp_path / "to")
    assert answer.returncode == 2 and "another 'baler pull'" in answer.stderr
    watching.terminate()
    watching.communicate(timeout=10)
    assert watching.returncode == 0


@pytest.mark.parametrize("words, says", [
    ((), "give --to DIR"),
    (("here",), "did you mean --to here?"),
    (("--to", "x", "--jobs", "0"), "out of range"),
    (("--to", "x", "--on-conflict", "ask"), "newer|beside|fail"),
    (("--to", "x", "--bucket", "no-such-bucket"), "bucket 'no-such-bucket'"),
])
def test_mistakes_exit_2(world, tmp_path, words, says):
    words = [str(tmp_path / word) if word == "x" else word for word in words]
    answer = world.baler("pull", *words)
    assert answer.returncode == 2 and says in answer.stderr


class Supplier(threading.Thread):
    """Puts files, each with a content of its own, until told to stop."""

    def __init__(self, world):
        super().__init__()
        self.world, self.stopping, self.rng = world, threading.Event(), random.Random(SEED)
        self.files, self.error = {}, None

    def run(self):
        try:
            count = 0
            while not self.stopping.is_set():
                count += 1
                name = f"data/kill/{self.rng.randrange(7)}/{count}"
                body = b"%d-" % count + self.rng.randbytes(self.rng.choice([0, 100, 5000, 300_000]))
                self.world.put(name, body)
                self.files[name] = body
        except Exception as error:  # pylint: disable=broad-except  # told by the test
            self.error = error


def taken_bundles(world, besides):
    """(key, bytes) of each bundle that was published and is not in the bucket; its bytes are in the archive."""
    with open(world.server.log_path, encoding="utf-8") as log:
        published = {json.loads(line)["bundle"] for line in log if '"event":"bundle-published"' in line}
    for name in published - set(world.keys()) - besides:
        yield name, world.s3.get_object(Bucket=ARCHIVE, Key=name)["Body"].read()


def assert_all_there(folder, body):
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
        for member in tar:
            assert (folder / member.name).read_bytes() == tar.extractfile(member).read(), f"seed {SEED}"


def test_killed_at_any_moment_it_loses_nothing(world, tmp_path):
    """After each kill: a bundle that is gone from the bucket has all its files in the folder."""
    rng, to = random.Random(SEED), tmp_path / "to"
    supplier = Supplier(world)
    supplier.start()
    checked, killed = set(), 0
    try:
        for _ in range(KILLS):
            time.sleep(0.4)
            pulling = world.start("pull", "--to", to, "--watch", "--poll", "100ms")
            time.sleep(rng.uniform(0.02, 0.6))
            pulling.kill()
            pulling.communicate()
            killed += pulling.returncode == -signal.SIGKILL
            for name, body in taken_bundles(world, checked):
                assert_all_there(to, body)
                checked.add(name)
    finally:
        supplier.stopping.set()
        supplier.join()
    assert supplier.error is None and killed == KILLS
    assert supplier.files
    deadline = time.monotonic() + 40
    expected = supplier.files
    while time.monotonic() < deadline and (files_in(to) != expected or world.keys()):
        answer = world.baler("pull", "--to", to)
        assert answer.returncode == 0, answer.stderr
        time.sleep(0.3)
    assert files_in(to) == expected, f"seed {SEED}"
    assert world.keys() == [] and checked
    journal = (to / ".baler-pull/journal").read_text().splitlines()
    assert len(journal) == len({line.split()[-1] for line in journal}), "a bundle was extracted twice"
    assert sorted(p.name for p in (to / ".baler-pull").iterdir()) == ["journal", "lock", "work"]
    assert not list((to / ".baler-pull/work").iterdir())
