"""`baler where`: which bundle holds an object, or why none does."""
import pytest

from operator_kit import DISTRIBUTION, LANDING, Baler


@pytest.fixture(scope="module")
def baler(tmp_path_factory):
    running = Baler(tmp_path_factory.mktemp("where") / "s")
    yield running
    running.stop()


def url(key, bucket=LANDING):
    return f"s3://{bucket}/{key}"


def test_an_object_in_a_bundle(baler):
    version = baler.put("data/a b+c")
    where = baler.wait(lambda: (w := baler.json("where", url("data/a b+c")))["place"] == "member" and w)
    assert where["published"] and where["version"] == version and where["bundle_bucket"] == DISTRIBUTION
    assert where["bundle_key"] in baler.bundles()
    text = baler.run("where", url("data/a b+c"))
    assert text.returncode == 0 and text.stdout.startswith(f"s3://{DISTRIBUTION}/{where['bundle_key']}\n")


def test_each_version_has_an_answer_of_its_own(baler):
    first = baler.put("data/versions", b"1")
    baler.wait(lambda: baler.json("where", url("data/versions"))["place"] == "member")
    second = baler.put("data/versions", b"2")
    two = baler.wait(lambda: (w := baler.json("where", url("data/versions")))["place"] == "member" and
                     w["version"] == second and w)
    one = baler.json("where", url("data/versions"), "--version", first)
    assert one["place"] == "member" and one["bundle_key"] != two["bundle_key"]


def test_a_version_that_is_gone_is_still_known_by_the_ledger(baler):
    version = baler.put("data/shipped-and-deleted")
    baler.wait(lambda: baler.json("where", url("data/shipped-and-deleted"))["place"] == "member")
    baler.s3.delete_object(Bucket=LANDING, Key="data/shipped-and-deleted", VersionId=version)
    assert baler.json("where", url("data/shipped-and-deleted"), "--version", version)["place"] == "member"
    assert baler.json("where", url("data/shipped-and-deleted"), code=1)["place"] == "not-found"


def test_a_rejected_one_names_the_code_and_the_dead_letter(baler):
    baler.put("data/../up")
    dead = baler.wait(baler.dead_letters)[0]
    where = baler.json("where", url("data/../up"), code=1)
    assert (where["place"], where["code"], where["dead_letter"]) == ("rejected", "UNSAFE_S3_KEY_PATH", dead["id"])


def test_what_nothing_watches(baler):
    baler.put("other/key")
    prefix = baler.json("where", url("other/key"), code=1)
    assert prefix["place"] == "not-watched" and "'data/'" in prefix["why"]
    bucket = baler.json("where", url("data/x", DISTRIBUTION), code=1)
    assert bucket["place"] == "not-watched" and LANDING in bucket["why"]


def test_what_is_not_there(baler):
    version = baler.put("data/there")
    assert baler.json("where", url("data/never-was"), code=1)["place"] == "not-found"
    wrong = baler.json("where", url("data/there"), "--version", version[::-1], code=1)
    assert wrong["place"] == "not-found" and "version" in wrong["why"]


def test_one_that_waits(tmp_path):
    slow = Baler(tmp_path / "s", "--batch-window", "1h")
    try:
        for i in range(20):
            slow.put(f"data/waits/{i}")
        where = slow.json("where", url("data/waits/7"))
        assert where["place"] == "waiting" and "queue" in where["why"]
    finally:
        slow.stop()


def test_one_whose_message_was_dropped(tmp_path):
    """Delivered too often and dropped: the object is there and nothing will bundle it."""
    baler = Baler(tmp_path / "s")
    try:
        version = baler.put("data/gone")
        baler.s3.delete_object(Bucket=LANDING, Key="data/gone", VersionId=version)
        baler.wait(baler.dead_letters)
        where = baler.json("where", url("data/gone"), "--version", version, code=1)
        assert (where["place"], where["code"]) == ("rejected", "object-missing")
    finally:
        baler.stop()


@pytest.mark.parametrize("operand", ["", "data/x", "s3://", "s3://bucket", "s3://bucket/", "http://bucket/key"])
def test_mistakes_exit_2(baler, operand):
    answer = baler.run("where", operand)
    assert answer.returncode == 2 and "give s3://BUCKET/KEY" in answer.stderr
