"""`baler verify --ledger`: nothing to find after real work; each way a folder can be wrong, made by hand, is named."""
import json
import sqlite3

import pytest

from consuming import DISTRIBUTION, LANDING
from ledger_kit import FILES, a_copy, a_folder_after_work, change, kinds, one_server  # noqa: F401 (fixtures)


def test_after_real_work_nothing_is_found_live_or_stopped(world, original):
    code, found = world.audit(original)
    assert (code, found["n_findings"], found["members"]) == (0, 0, len(FILES))
    assert found["bundle_members"] == found["sources_compared"] >= len(FILES) and found["bundles"] >= 2


ONE = "(SELECT version FROM claim ORDER BY version LIMIT 1)"
FIRST_PLAN = "(SELECT id FROM plan WHERE state = 4 ORDER BY seq LIMIT 1)"
LAST_PLAN = "(SELECT id FROM plan WHERE state = 4 ORDER BY seq DESC LIMIT 1)"
OF_FIRST = f"(SELECT version FROM claim WHERE plan = {FIRST_PLAN} ORDER BY slot LIMIT 1)"
GONE = "x'" + "ee" * 16 + "'"
ARCHIVED = "(SELECT id FROM bucket WHERE name = 'data-aggregator-archive-dev')"
FIRST_KEY = "(SELECT key FROM plan WHERE state = 4 ORDER BY seq LIMIT 1)"
FIRST_MANIFEST = f"(SELECT CAST('manifests/' || CAST({FIRST_KEY} AS TEXT) || '.json' AS BLOB))"
BUNDLES = f"(SELECT id FROM bucket WHERE name = '{DISTRIBUTION}')"


@pytest.mark.parametrize("expected, statements", [
    ({("lost", "I2")}, [f"DELETE FROM claim WHERE version = {ONE}"]),
    ({("orphan", "I3"), ("orphan", "I6")}, [f"DELETE FROM plan WHERE id = {FIRST_PLAN}"]),
    ({("orphan", "I3")}, [f"UPDATE plan SET state = 1 WHERE id = {FIRST_PLAN}"]),
    ({("orphan", "I3"), ("lost", "I2")}, [f"UPDATE plan SET state = 8 WHERE id = {FIRST_PLAN}"]),
    ({("illegal", "I7"), ("lost", "I2")}, [f"UPDATE plan SET state = 3 WHERE id = {FIRST_PLAN}"]),
    ({("illegal", "I7")}, [f"UPDATE plan SET sha256 = NULL WHERE id = {FIRST_PLAN}"]),
    ({("orphan", "I6"), ("lost", "I2")}, [f"UPDATE claim SET plan = {GONE} WHERE version = {ONE}"]),
    ({("duplicate", "I1")}, [f"UPDATE claim SET plan = {LAST_PLAN}, slot = 0 WHERE version = {OF_FIRST}"]),
    ({("duplicate", "I1")}, [f"UPDATE claim SET state = 2, reason = x'6e6f' WHERE version = {OF_FIRST}"]),
    ({("damaged", "I4")}, [f"UPDATE plan SET size = size + 1 WHERE id = {FIRST_PLAN}"]),
    ({("damaged", "I4")}, [f"UPDATE plan SET sha256 = zeroblob(32) WHERE id = {FIRST_PLAN}"]),
    ({("orphan", "I5")}, [f"DELETE FROM version WHERE bucket = {BUNDLES}", "DELETE FROM stage"]),
    ({("illegal", "I11")}, [f"UPDATE plan SET state = 2, live = 0 WHERE id = {FIRST_PLAN}"]),
    ({("missing", "I12")}, [f"DELETE FROM version WHERE bucket = {ARCHIVED} AND key = {FIRST_MANIFEST}"]),
    ({("missing", "I12"), ("orphan", "I12")}, [f"DELETE FROM version WHERE bucket = {ARCHIVED} AND key = {FIRST_KEY}"]),
    ({("orphan", "I8")}, ["INSERT INTO stage(id, nonce, bucket, key, size, etag, headers) VALUES"
                          " (7, 7, x'61', CAST('2026/01/01/00/bundle-" + "0" * 32 + ".tar.gz' AS BLOB), 0, '', x'')"]),
])
def test_what_is_wrong_is_named(world, folder, expected, statements):
    change(folder, *statements)
    code, found = world.audit(folder)
    assert code == 1 and expected <= kinds(found), found["findings"]
    assert all(f["text"] and (f.get("key") or f.get("plan")) for f in found["findings"])


def test_a_waiting_message_is_what_keeps_an_object_from_being_lost(world, folder):
    database = sqlite3.connect(folder / "baler.db")
    key, version = database.execute(
        f"SELECT key, version FROM claim WHERE version = {ONE}").fetchone()
    database.close()
    body = json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": {
        "bucket": {"name": LANDING}, "object": {"key": key.decode(), "versionId": version.decode()}}}]})
    change(folder, f"DELETE FROM claim WHERE version = {ONE}",
           f"INSERT INTO message(id, receive_count, sent, body) VALUES(9, 0, 0, CAST('{body}' AS BLOB))")
    assert world.audit(folder)[1]["lost"] == 0
    change(folder, "DELETE FROM message WHERE id = 9")
    code, found = world.audit(folder)
    assert code == 1 and [f["version"] for f in found["findings"] if f["kind"] == "lost"] == [version.decode()]


@pytest.mark.parametrize("how", ["flip", "cut", "remove"])
def test_a_bundles_file_that_was_altered(world, folder, how):
    blob = next(p for p in (folder / "blobs").rglob("*") if p.is_file() and p.read_bytes()[:2] == b"\x1f\x8b")
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.unlink()
    if how != "remove":
        blob.write_bytes(data if how == "flip" else data[:-1])
    code, found = world.audit(folder)
    assert code == 1 and ("damaged", "I4") in kinds(found)


@pytest.mark.parametrize("how, words", [("flip", "its bytes 0 to 65535 are not those that were stored"), ("cut", "its file has 199999 bytes, its row says 200000"),
                                        ("remove", "its file 'blobs/")])
def test_a_sources_file_that_was_altered(world, folder, how, words):
    blob = next(p for p in (folder / "blobs").rglob("*") if p.is_file() and p.stat().st_size == 200000)
    data = bytearray(blob.read_bytes())
    data[1000] ^= 1
    blob.unlink()
    if how != "remove":
        blob.write_bytes(data if how == "flip" else data[:-1])
    code, found = world.audit(folder)
    assert code == 1 and kinds(found) == {("damaged", "I13")} and {f["key"] for f in found["findings"]} == {"data/f12"}
    assert all(words in f["text"] for f in found["findings"]), found["findings"]


def test_a_source_with_other_bytes_than_its_member(world, folder):
    change(folder, "UPDATE body SET data = zeroblob(length(data)), sum = NULL WHERE id ="
                   " (SELECT min(id) FROM body WHERE length(data) > 1)")
    code, found = world.audit(folder)
    assert code == 1 and kinds(found) == {("damaged", "I4")} and found["findings"][0]["key"] == "data/f00"
