"""`baler verify` and `baler list`: of a file and of an object; 0 sound, 1 not, 2 cannot be read."""
import hashlib
import json
import os
import subprocess

import pytest

from consuming import BINARY, DISTRIBUTION, World, bundle

KEY = "2026/11/23/11/bundle-" + "0" * 31 + "1.tar.gz"
ADDRESS = f"s3://{DISTRIBUTION}/{KEY}"
FILES = {"data/a": b"hello", "data/b é": b"", "c": b"x" * 100_000}


@pytest.fixture(scope="module", name="world")
def one_server(tmp_path_factory):
    running = World(tmp_path_factory.mktemp("verify") / "s")
    yield running
    running.close()


def sha256(body):
    return hashlib.sha256(body).hexdigest()


@pytest.fixture(name="place", params=["file", "object"])
def file_or_object(request, world, tmp_path):
    """Puts bytes where the command finds them; gives their name."""
    def put(body, **metadata):
        if request.param == "file":
            (tmp_path / "b.tar.gz").write_bytes(body)
            return str(tmp_path / "b.tar.gz")
        world.publish(KEY, body, **metadata)
        return ADDRESS
    put.kind = request.param
    return put


def test_a_sound_bundle_with_all_its_members(world, place):
    body = bundle(FILES)
    answer = world.baler("verify", "--json", place(body))
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["ok"] and found["sha256"] == sha256(body) and found["bytes"] == len(body)
    assert found["hash_checked"] == (place.kind == "object")
    assert found["members"] == [{"name": n, "size": len(b), "sha256": sha256(b)} for n, b in FILES.items()]


def test_in_words(world, place):
    name = place(bundle(FILES))
    answer = world.baler("verify", name)
    assert answer.returncode == 0 and f"{name}: ok, 3 members" in answer.stdout
    lines = world.baler("verify", "-v", name).stdout.splitlines()
    assert len(lines) == 4 and lines[0].split() == [sha256(b"hello"), "5", "data/a"]


def test_list(world, place):
    name = place(bundle(FILES))
    lines = world.baler("list", name).stdout.splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [["5", "data/a"], ["0", "data/b é"], ["100000", "c"]]
    found = json.loads(world.baler("list", "--json", name).stdout)
    assert [m["name"] for m in found["members"]] == list(FILES)


def test_a_hash_that_is_demanded(world, place):
    body = bundle(FILES)
    name = place(body)
    assert world.baler("verify", name, "--sha256", sha256(body).upper()).returncode == 0
    answer = world.baler("verify", name, "--sha256", "0" * 64)
    assert answer.returncode == 1 and sha256(body) in answer.stderr


@pytest.mark.parametrize("metadata, says", [({"content_sha256": "0" * 64}, "content-sha256 says 000"),
                                            ({"content_sha256": ""}, "no metadata content-sha256")])
def test_an_object_is_held_to_its_own_hash(world, metadata, says):
    world.publish(KEY, bundle(FILES), **metadata)
    answer = world.baler("verify", ADDRESS)
    assert answer.returncode == 1 and says in answer.stderr


@pytest.mark.parametrize("body, says", [
    (bundle(FILES)[:-1], "cut off"),
    (bundle(FILES)[:200], "cut off"),
    (bundle(FILES) + b"more", "not a whole gzip file"),
    (b"", "empty"),
    (b"hello", "not a whole gzip file"),
    (bundle({}), "no member"),
    (bundle({"../a": b""}), "unsafe name"),
    (bundle({"a": b"1"}, b={"type": b"2", "linkname": "a"}), "not a regular file"),
    (bundle({"a": b"1"}, **{"a": {}}), "there twice"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_not_sound(world, place, body, says):
    answer = world.baler("verify", "--json", place(body))
    assert answer.returncode == 1 and says in answer.stderr
    found = json.loads(answer.stdout)
    assert not found["ok"] and says in found["error"]


@pytest.mark.parametrize("name, says", [
    ("/nowhere/bundle.tar.gz", "No such file"),
    (f"s3://{DISTRIBUTION}/no-bundle-there", "NoSuchKey"),
    ("s3://no-such-bucket/key", "bucket 'no-such-bucket'"),
    (f"s3://{DISTRIBUTION}", "s3://BUCKET/KEY"),
    ("/", "Is a directory"),
])
def test_what_cannot_be_read_is_2(world, name, says):
    for command in ("verify", "list"):
        answer = world.baler(command, name)
        assert answer.returncode == 2 and says in answer.stderr, answer.stderr


def test_several_bundles_give_the_worst_answer(world, tmp_path):
    (tmp_path / "good").write_bytes(bundle(FILES))
    (tmp_path / "bad").write_bytes(b"x")
    good, bad = str(tmp_path / "good"), str(tmp_path / "bad")
    assert world.baler("verify", good, good).returncode == 0
    assert world.baler("verify", bad, good).returncode == 1
    answer = world.baler("verify", "--json", good, "/nowhere", bad)
    assert answer.returncode == 2
    assert [json.loads(line)["ok"] for line in answer.stdout.splitlines()] == [True, False, False]


@pytest.mark.parametrize("words", [("verify",), ("list",), ("list", "a", "b"), ("verify", "a", "--sha256", "xyz"),
                                   ("verify", "a", "b", "--sha256", "0" * 64)])
def test_used_wrongly(world, words):
    answer = world.baler(*words)
    assert answer.returncode == 2 and answer.stderr


def test_a_name_cannot_talk_to_the_terminal(world, tmp_path):
    (tmp_path / "b").write_bytes(bundle({"a\x1b[2Jb": b"1"}))
    answer = world.baler("list", os.fspath(tmp_path / "b"))
    assert "\x1b" not in answer.stdout and "a?[2Jb" in answer.stdout


@pytest.mark.parametrize("words", [("list",), ("list", "--json"), ("verify",), ("verify", "--json")])
def test_results_that_cannot_be_written_are_a_failure(world, tmp_path, words):
    (tmp_path / "b").write_bytes(bundle({f"{i:0100}": b"" for i in range(2000)}))
    with open("/dev/full", "w", encoding="utf-8") as full:
        answer = subprocess.run([BINARY, *words, tmp_path / "b"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert answer.returncode == 1 and f"baler {words[0]}: not all results could be written" in answer.stderr


def test_a_reader_that_has_seen_enough_is_no_failure(world, tmp_path):
    (tmp_path / "b").write_bytes(bundle({f"{i:0100}": b"" for i in range(2000)}))
    answer = subprocess.run(f"set -o pipefail; {BINARY} list {tmp_path}/b | head -1", shell=True, executable="/bin/bash",
                            capture_output=True, text=True, timeout=60, check=False)
    assert (answer.returncode, answer.stdout.count("\n"), answer.stderr) == (0, 1, "")
