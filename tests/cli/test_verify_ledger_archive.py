"""`baler verify --ledger` and the archive (I12): each deviation of a manifest is named; direct invocations are no orphans."""
import hashlib
import re
import sqlite3

import pytest

from consuming import DISTRIBUTION, bundle
from ledger_kit import FILES, Ledger, a_copy, a_folder_after_work, change, kinds, one_server  # noqa: F401 (fixtures)

ARCHIVE = "data-aggregator-archive-dev"
MEMBER = rb'("name":"data/f01".*)'


def manifest_file(folder):
    """The file of the manifest that names data/f01."""
    return next(p for p in (folder / "blobs").rglob("*") if p.is_file() and re.search(MEMBER, p.read_bytes()))


def edit(folder, pattern, replacement):
    """Rewrites a manifest's file, and its size where the store keeps it; its checksums go: it was written so."""
    file = manifest_file(folder)
    before = file.read_bytes()
    after, n = re.subn(pattern, replacement, before, count=1)
    assert n == 1 and after != before
    file.unlink()  # what it is linked to elsewhere stays
    file.write_bytes(after)
    blob = file.parent.name + file.name
    change(folder, f"UPDATE blob SET sums = NULL WHERE id = x'{blob}'",
           f"UPDATE segment SET size = {len(after)} WHERE blob = x'{blob}'",
           f"UPDATE version SET size = {len(after)} WHERE seq IN (SELECT version FROM segment WHERE blob = x'{blob}')")


@pytest.mark.parametrize("pattern, replacement, words", [
    (rb'"data/f01","versionId":"\w\w', rb'"data/f01","versionId":"00', "said to be version"),
    (rb'"key":"data/f01"', rb'"key":"data/g01"', "said to be of the key 'data/g01'"),
    (rb'("name":"data/f01".*?"size":)\d+', rb'\g<1>7', "member 'data/f01' has"),
    (rb'("name":"data/f01".*?"sha256":")\w{8}', rb'\g<1>00000000', "member 'data/f01' has another SHA-256"),
    (rb'("name":"data/f01".*?"offset":)(\d+)', rb'\g<1>1\2', "member 'data/f01' is not at offset 1"),
    (rb'\n\{"name":"data/f01".*', rb'', "does not name 'data/f01', which is in the bundle"),
    (rb'\n(\{"name":)("data/f01"(.*))', rb'\n\1"data/x"\3\n\1\2', "names 'data/x', which is not in the bundle"),
    (rb'"version":1', rb'"version":01', "malformed at line 1: not JSON"),
    (rb'("name":"data/f01")', rb'\1\1', "malformed at line"),
    (rb'\],\n"size":\d+', rb'],\n"size":1', "bytes, not 1"),
    (rb'"plan":"\w{8}', rb'"plan":"00000000', "it is of plan '00000000"),
])
def test_a_manifest_that_says_otherwise(world, folder, pattern, replacement, words):
    edit(folder, pattern, replacement)
    code, found = world.audit(folder)
    assert code == 1 and kinds(found) == {("damaged", "I12")}
    assert all(f["bucket"] == ARCHIVE and f["key"].startswith("manifests/") for f in found["findings"])
    assert any(words in f["text"] for f in found["findings"]), found["findings"]


def test_a_manifests_file_that_is_gone_or_cut(world, folder):
    file = manifest_file(folder)
    data = file.read_bytes()
    file.unlink()
    code, found = world.audit(folder)
    assert code == 1 and kinds(found) == {("damaged", "I12")}
    file.write_bytes(data[:-1])
    code, found = world.audit(folder)
    assert code == 1 and kinds(found) == {("damaged", "I12")}


def test_an_archived_copy_with_other_bytes(world, folder):
    """The copy is a hard link: breaking the link first leaves the bundle itself sound."""
    database = sqlite3.connect(folder / "baler.db")
    (blob,) = database.execute(
        "SELECT hex(blob) FROM segment WHERE version = (SELECT min(seq) FROM version WHERE bucket ="
        f" (SELECT id FROM bucket WHERE name = '{ARCHIVE}') AND key NOT LIKE 'manifests/%')").fetchone()
    database.close()
    file = folder / "blobs" / blob[:2].lower() / blob[2:].lower()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.unlink()
    file.write_bytes(data)
    code, found = world.audit(folder)
    assert code == 1 and {("damaged", "I4")} <= kinds(found) and {f["bucket"] for f in found["findings"]} == {ARCHIVE}


def test_the_settings_must_be_the_servers(world, folder):
    for setting in ("--archive-bucket", "--distribution-bucket"):
        answer = world.baler("verify", "--ledger", "--data", folder, setting, "no-such-bucket")
        assert answer.returncode == 2 and f"no bucket 'no-such-bucket': give '{setting}'" in answer.stderr


@pytest.fixture(scope="module", name="mixed")
def a_server_with_a_direct_bundle(tmp_path_factory):
    """What a pipeline bundled, and a direct invocation once more."""
    running = Ledger(tmp_path_factory.mktemp("direct") / "s")
    for key in sorted(FILES)[:4]:
        running.put(key, FILES[key])
    running.wait_until_quiet(4)
    before = set(running.keys())
    running.put("elsewhere/x", b"no event is made of it")
    running.invoke(["data/f00", "data/f01", "elsewhere/x"])
    (running.direct,) = set(running.keys()) - before
    yield running
    running.close()


def test_a_direct_invocations_bundle_is_counted_and_no_error(mixed):
    code, found = mixed.audit(mixed.folder())
    assert code == 0 and found["direct"] == 1, found
    text = mixed.baler("verify", "--ledger", "--data", mixed.folder())
    assert text.returncode == 0 and "1 bundles of direct invocations, which no ledger has" in text.stdout
    head = mixed.s3.head_object(Bucket=DISTRIBUTION, Key=mixed.direct)
    assert head["Metadata"]["baler-origin"] == "direct-invocation"


def test_a_direct_bundle_taken_and_replayed(mixed):
    mixed.s3.delete_object(Bucket=DISTRIBUTION, Key=mixed.direct)
    assert mixed.audit(mixed.folder())[0] == 0
    assert mixed.baler("replay", mixed.direct).returncode == 0
    code, found = mixed.audit(mixed.folder())
    assert code == 0 and found["direct"] == 1


def test_a_bundle_that_somebody_put_there_is_an_orphan_whatever_it_says_of_itself(mixed):
    body = bundle({"data/mine": b"1"})
    for key in ("2026/01/01/00/bundle-" + "7" * 32 + ".tar.gz", "mine/bundle-7.tar.gz"):
        mixed.s3.put_object(Bucket=DISTRIBUTION, Key=key, Body=body, Metadata={
            "content-sha256": hashlib.sha256(body).hexdigest(), "baler-origin": "direct-invocation"})
        code, found = mixed.audit(mixed.folder())
        assert code == 1 and [(f["kind"], f["invariant"], f["key"]) for f in found["findings"]] == [("orphan", "I3", key)]
        mixed.s3.delete_object(Bucket=DISTRIBUTION, Key=key, VersionId=found["findings"][0]["version"])
    assert mixed.audit(mixed.folder())[0] == 0


def test_what_was_deleted_from_the_archive_is_missed(mixed):
    for key, expected in ((f"manifests/{mixed.direct}.json", {("missing", "I12")}),
                          (mixed.direct, {("missing", "I12"), ("orphan", "I12")})):
        marker = mixed.s3.delete_object(Bucket=ARCHIVE, Key=key)["VersionId"]
        code, found = mixed.audit(mixed.folder())
        assert code == 1 and kinds(found) == expected, found["findings"]
        mixed.s3.delete_object(Bucket=ARCHIVE, Key=key, VersionId=marker)
    assert mixed.audit(mixed.folder())[0] == 0
