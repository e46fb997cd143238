"""`baler replay`: bundles of the archive are in the distribution bucket again, with their keys and metadata."""
import datetime
import hashlib
import json
import time

import pytest

from consuming import ARCHIVE, DISTRIBUTION, World, bundle, files_in


def key(number):
    return f"2026/11/23/11/bundle-{number:032x}.tar.gz"


def body(number):
    return bundle({f"f{number}": b"%d" % number})


@pytest.fixture(name="world")
def archive_of_three(tmp_path):
    """Archived: 3, 1, 2, in this order; and what is no bundle."""
    running = World(tmp_path / "s")
    running.times = {}
    for number in (3, 1, 2):
        running.publish(key(number), body(number), bucket=ARCHIVE)
        running.times[number] = running.s3.head_object(Bucket=ARCHIVE, Key=key(number))["LastModified"]
        time.sleep(1.1)
    running.publish(f"manifests/{key(1)}.json", b"{}", bucket=ARCHIVE)
    running.publish(f"manifests/{key(1)}", b"{}", bucket=ARCHIVE)
    running.publish("letter.tar.gz", b"dear", bucket=ARCHIVE)
    yield running
    running.close()


def test_all_of_a_time_in_the_order_they_were_archived(world, tmp_path):
    answer = world.baler("replay", "--since", "1h", "--json")
    assert answer.returncode == 0, answer.stderr
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [line["bundle"] for line in lines[:-1]] == [key(3), key(1), key(2)]
    assert all(line["ok"] and line["copied"] for line in lines[:-1])
    assert lines[-1] == {"bundles": 3, "failed": 0, "dry_run": False, "bytes": sum(len(body(n)) for n in (1, 2, 3))}
    assert world.keys() == [key(1), key(2), key(3)]
    head = world.s3.head_object(Bucket=DISTRIBUTION, Key=key(1))
    assert head["Metadata"] == {"content-sha256": hashlib.sha256(body(1)).hexdigest()}
    assert head["ContentType"] == "application/gzip"
    assert world.baler("pull", "--to", tmp_path / "to").returncode == 0
    assert files_in(tmp_path / "to") == {f"f{n}": b"%d" % n for n in (1, 2, 3)}
    assert sorted(world.keys(ARCHIVE))[:3] == [key(1), key(2), key(3)]  # a copy, not a move


def test_since_and_until(world):
    between = (world.times[3] + datetime.timedelta(seconds=1)).astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    until = (world.times[1] + datetime.timedelta(seconds=1)).astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert world.baler("replay", "--since", between, "--dry-run").stdout.split() == [key(1), key(2)]
    assert world.baler("replay", "--since", between, "--until", until, "--dry-run").stdout.split() == [key(1)]
    assert world.baler("replay", "--since", "1h", "--until", between, "--dry-run").stdout.split() == [key(3)]
    assert world.baler("replay", "--since", "0s").stdout == ""
    assert world.keys() == []


def test_named_ones(world):
    answer = world.baler("replay", key(2), f"s3://{ARCHIVE}/{key(1)}")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == [key(1), key(2)] and "2 bundles" in answer.stderr
    assert world.keys() == [key(1), key(2)]


def test_one_that_is_not_there_does_not_hold_up_the_others(world):
    answer = world.baler("replay", key(7), key(1), "--json")
    assert answer.returncode == 1 and key(7) in answer.stderr
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [line["ok"] for line in lines[:-1]] == [False, True] and lines[-1]["failed"] == 1
    assert world.keys() == [key(1)]


def test_dry_run_copies_nothing(world):
    answer = world.baler("replay", "--since", "2026-01-01", "--dry-run", "--json")
    assert answer.returncode == 0
    assert [json.loads(line).get("copied") for line in answer.stdout.splitlines()] == [False, False, False, None]
    assert world.keys() == []


def test_a_replayed_bundle_is_extracted_again_but_replaces_nothing_newer(world, tmp_path):
    to = tmp_path / "to"
    world.publish(key(0xa), bundle({"f": b"old", "g": b"g"}))
    world.publish(key(0xa), bundle({"f": b"old", "g": b"g"}), bucket=ARCHIVE)
    assert world.baler("pull", "--to", to).returncode == 0
    world.publish(key(0xb), bundle({"f": b"new"}))
    assert world.baler("pull", "--to", to).returncode == 0
    (to / "g").unlink()
    assert world.baler("replay", key(0xa)).returncode == 0
    answer = world.baler("pull", "--to", to, "--json")
    assert answer.returncode == 0, answer.stderr
    assert files_in(to) == {"f": b"new", "g": b"g"}
    assert json.loads(answer.stdout.splitlines()[-1])["older"] == 1


def test_only_bundles_are_copied_also_by_name(world):
    for name in (f"manifests/{key(1)}.json", f"s3://{ARCHIVE}/manifests/{key(1)}", "letter.tar.gz"):
        answer = world.baler("replay", name, key(1))
        assert answer.returncode == 1 and "is no bundle" in answer.stderr, answer.stderr
    assert world.keys() == [key(1)]


def test_again_and_while_the_bundle_is_still_there_nothing_comes_twice(world, tmp_path):
    to = tmp_path / "to"
    assert world.baler("replay", key(1)).returncode == 0
    assert world.baler("pull", "--to", to, "--keep").returncode == 0
    before = (to / "f1").stat()
    for _ in range(2):
        assert world.baler("replay", key(1)).returncode == 0
    assert world.keys() == [key(1)]
    answer = world.baler("pull", "--to", to, "--json")
    total = json.loads(answer.stdout.splitlines()[-1])
    assert (answer.returncode, total["bundles"], total["same"], total["new"], total["replaced"]) == (0, 1, 1, 0, 0)
    after = (to / "f1").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert files_in(to) == {"f1": b"1"} and world.keys() == []
    assert world.baler("pull", "--to", to).stderr.startswith("0 bundles")


@pytest.mark.parametrize("words, says", [
    ((), "--since TIME"),
    (("--until", "1h"), "--since TIME"),
    ((key(1), "--since", "1h"), "--since TIME"),
    (("--since", "yesterday"), "'yesterday' is not a time"),
    ((f"s3://{ARCHIVE}",), "s3://BUCKET/KEY"),
    ((f"s3://a/{key(1)}", f"s3://b/{key(1)}"), "two archives"),
    ((key(1), "--archive-bucket", DISTRIBUTION), "are both"),
    ((key(1), "--archive-bucket", "no-such-bucket"), "bucket 'no-such-bucket'"),
])
def test_used_wrongly(tmp_path_factory, words, says):
    running = World(tmp_path_factory.mktemp("replay") / "s")
    answer = running.baler("replay", *words)
    running.close()
    assert answer.returncode == 2 and says in answer.stderr
