"""End to end: what is put under data/ in the landing bucket comes out in bundles, each version exactly once, with its bytes."""
import hashlib
import secrets
import time

import pytest

import conftest
import drivers
from bundles import Consumer
from helpers import put_many

LANDING, DISTRIBUTION, _ = conftest.DEFAULT_BUCKETS
FILES = 200
SETTLE_S = 2.5  # two batch windows: long enough for a second bundle, were one to come


@pytest.fixture(scope="module")
def consumer(s3):
    return Consumer(s3, DISTRIBUTION)


@pytest.fixture
def prefix():
    """A part of the landing bucket of one's own."""
    return f"data/t-{secrets.token_hex(4)}/"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def digests(consumer, name):
    return [digest for _, digest in consumer.members[name]]


def assert_exactly_once(consumer, expected):
    """expected: {member name: bytes}."""
    consumer.wait_for({name: 1 for name in expected})
    time.sleep(SETTLE_S)
    consumer.take()
    for name, data in expected.items():
        assert digests(consumer, name) == [sha256(data)], name


@pytest.mark.parametrize("name", drivers.NAMES)
def test_200_files_from_each_client(clients, consumer, prefix, tmp_path, name):
    expected = {}
    for i in range(FILES):
        path = tmp_path / f"batch {i % 3}" / f"file-{i:03d}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'{"n":%d,"x":"%s"}' % (i, secrets.token_hex(i * 3).encode()))
        expected[prefix + path.relative_to(tmp_path).as_posix()] = path.read_bytes()
    clients.get(name).put_tree(LANDING, prefix, tmp_path)
    assert_exactly_once(consumer, expected)
    assert set(consumer.below(prefix)) == set(expected), "something else came out"


def test_bundles_come_soon(s3, consumer, prefix):
    """Batch window (1 s here) + 2 s is the promise for a machine of one's own; this one is shared with the other tests."""
    started = time.monotonic()
    s3.put_object(Bucket=LANDING, Key=prefix + "soon", Body=b"soon")
    consumer.wait_for({prefix + "soon": 1}, give_up_s=15)
    assert time.monotonic() - started < 10


def test_an_overwritten_key_comes_again_in_another_bundle(s3, consumer, prefix):
    key = prefix + "state.json"
    for times, body in enumerate((b"first", b"second"), 1):
        s3.put_object(Bucket=LANDING, Key=key, Body=body)
        consumer.wait_for({key: times})
    time.sleep(SETTLE_S)
    consumer.take()
    found = consumer.members[key]
    assert digests(consumer, key) == [sha256(b"first"), sha256(b"second")]
    assert found[0][0] != found[1][0]


def test_the_same_bytes_again_come_again(s3, consumer, prefix):
    key = prefix + "same"
    for times in (1, 2):
        s3.put_object(Bucket=LANDING, Key=key, Body=b"same")
        consumer.wait_for({key: times})
    assert len({bundle for bundle, _ in consumer.members[key]}) == 2


def test_versions_put_before_the_window_closes_come_all(s3, consumer, prefix):
    """Ten versions of one key within a moment: ten bundles, for no bundle may hold a name twice."""
    key, bodies = prefix + "busy", [b"v%d" % i for i in range(10)]
    for body in bodies:
        s3.put_object(Bucket=LANDING, Key=key, Body=body)
    consumer.wait_for({key: 10}, give_up_s=60)
    time.sleep(SETTLE_S)
    consumer.take()
    assert sorted(digests(consumer, key)) == sorted(map(sha256, bodies))
    assert len({bundle for bundle, _ in consumer.members[key]}) == 10


# key below the prefix → member name below it; docs: canonical member names
CANONICAL = {
    "with space": "with space", "plus+equals=1": "plus+equals=1", "emoji-🎉/ünï": "emoji-🎉/ünï", "back\\slash": "back/slash",
    "double//slash": "double/slash", "./here": "here", "percent%20encoded": "percent encoded", "twice%2520encoded": "twice encoded",
    "full-width-\uff41": "full-width-a", "combining-e\u0301": "combining-\u00e9", "trailing/": "trailing", "percent%zz": "percent%zz",
    "...hidden": "...hidden", "data..2024-01-01.csv": "data..2024-01-01.csv",
}
UNSAFE = ["../../malicious_file.txt", "a/../b", "%2e%2e/%2e%2e/encoded", "%252F..%252Ftwice", "\uff0e\uff0e/wide", "bell\x07",
          "zero\u200bwidth", "bidi\u202eoverride", "CON", "lpt1.txt", " leading space", "trailing space ", "a/ b"]


def test_odd_keys_come_under_their_canonical_names(s3, consumer, prefix):
    for key in CANONICAL:
        s3.put_object(Bucket=LANDING, Key=prefix + key, Body=key.encode())
    assert_exactly_once(consumer, {prefix + name: key.encode() for key, name in CANONICAL.items()})
    assert set(consumer.below(prefix)) == {prefix + name for name in CANONICAL.values()}


def test_two_keys_of_one_canonical_name_come_both(s3, consumer, prefix):
    for key in ("a b", "a%20b"):
        s3.put_object(Bucket=LANDING, Key=prefix + key, Body=key.encode())
    consumer.wait_for({prefix + "a b": 2})
    assert sorted(digests(consumer, prefix + "a b")) == sorted([sha256(b"a b"), sha256(b"a%20b")])


def test_unsafe_keys_never_come(s3, consumer, prefix):
    for key in UNSAFE:
        s3.put_object(Bucket=LANDING, Key=prefix + key, Body=b"malicious")
    s3.put_object(Bucket=LANDING, Key=prefix + "safe_file.txt", Body=b"safe")
    assert_exactly_once(consumer, {prefix + "safe_file.txt": b"safe"})
    assert not [name for name, found in consumer.members.items() if sha256(b"malicious") in [digest for _, digest in found]]


def test_only_keys_under_data_are_bundled(s3, consumer):
    token = secrets.token_hex(8)
    for key in (f"direct-invoke-tests/{token}", f"other/{token}", f"data{token}", f"/data/{token}", f"Data/{token}"):
        s3.put_object(Bucket=LANDING, Key=key, Body=b"stays")
    s3.put_object(Bucket=LANDING, Key=f"data/{token}", Body=b"goes")
    s3.put_object(Bucket=conftest.DEFAULT_BUCKETS[2], Key=f"data/{token}-archive", Body=b"stays")
    assert_exactly_once(consumer, {f"data/{token}": b"goes"})
    assert [name for name in consumer.members if token in name] == [f"data/{token}"]


def test_empty_and_large_files(s3, clients, consumer, prefix, tmp_path):
    """Nothing, a multipart upload of 24 MB, and one byte above what is kept in the database."""
    sizes = {"empty": 0, "inline": 131072, "file": 131073, "large": 24 << 20}
    expected = {}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(hashlib.shake_128(name.encode()).digest(size))
        clients.get("boto3").put(LANDING, prefix + name, tmp_path / name)
        expected[prefix + name] = (tmp_path / name).read_bytes()
    assert_exactly_once(consumer, expected)


def test_a_copy_into_data_is_bundled(s3, consumer, prefix):
    s3.put_object(Bucket=LANDING, Key="elsewhere/source", Body=b"copied")
    s3.copy_object(Bucket=LANDING, Key=prefix + "copy", CopySource={"Bucket": LANDING, "Key": "elsewhere/source"})
    assert_exactly_once(consumer, {prefix + "copy": b"copied"})


def test_a_version_removed_before_its_bundle_does_not_stop_the_others(s3, consumer, prefix):
    """A delete marker alone removes nothing: the version announced is still there and comes."""
    for name in ("gone", "kept 1", "marked", "kept 2"):
        version = s3.put_object(Bucket=LANDING, Key=prefix + name, Body=name.encode())["VersionId"]
        if name == "gone":
            s3.delete_object(Bucket=LANDING, Key=prefix + name, VersionId=version)
        if name == "marked":
            s3.delete_object(Bucket=LANDING, Key=prefix + name)
    assert_exactly_once(consumer, {prefix + name: name.encode() for name in ("kept 1", "marked", "kept 2")})
    assert prefix + "gone" not in consumer.members


def test_a_bundle_taken_away_does_not_come_back(s3, consumer, prefix):
    s3.put_object(Bucket=LANDING, Key=prefix + "taken", Body=b"taken")
    consumer.wait_for({prefix + "taken": 1})
    bundle = consumer.members[prefix + "taken"][0][0]
    for version in s3.list_object_versions(Bucket=DISTRIBUTION, Prefix=bundle)["Versions"]:
        s3.delete_object(Bucket=DISTRIBUTION, Key=bundle, VersionId=version["VersionId"])
    time.sleep(SETTLE_S)
    consumer.take()
    assert len(consumer.members[prefix + "taken"]) == 1
    assert "Versions" not in s3.list_object_versions(Bucket=DISTRIBUTION, Prefix=bundle)


def test_a_thousand_at_once(s3, consumer, prefix):
    put_many(s3, LANDING, [f"{prefix}{i:04d}" for i in range(1000)], b"one of many")
    assert_exactly_once(consumer, {f"{prefix}{i:04d}": b"one of many" for i in range(1000)})


def test_every_bundle_is_there_once_and_for_good(s3, consumer):
    """No bundle was replaced: the distribution bucket holds one version of each key."""
    consumer.take()
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=DISTRIBUTION):
        keys = [version["Key"] for version in page.get("Versions", [])]
        assert len(keys) == len(set(keys))
