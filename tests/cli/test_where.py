"""`baler where`: which bundle holds an object, or why none does."""
import contextlib
import json
import socket
import threading

import boto3
import pytest

from operator_kit import DISTRIBUTION, LANDING, Baler
from test_events import TOKEN, foreign, post, s3_record  # noqa: F401 (a fixture)

ARCHIVE = "data-aggregator-archive-dev"


class Doorman:
    """Passes connections on to a server and counts them."""

    def __init__(self, endpoint):
        host, port = endpoint.removeprefix("http://").rsplit(":", 1)
        self.behind, self.accepted = (host, int(port)), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            other = socket.create_connection(self.behind)
            for source, target in ((one, other), (other, one)):
                threading.Thread(target=self.copy, args=(source, target), daemon=True).start()

    @staticmethod
    def copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


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
    assert "source_gone" not in baler.json("where", url("data/shipped-and-deleted"))
    baler.s3.delete_object(Bucket=LANDING, Key="data/shipped-and-deleted", VersionId=version)
    for words in (("--version", version), ()):  # whoever asks may not know the version any more
        where = baler.json("where", url("data/shipped-and-deleted"), *words)
        assert (where["place"], where["version"], where["source_gone"]) == ("member", version, True)
    text = baler.run("where", url("data/shipped-and-deleted"))
    assert text.returncode == 0 and "; the version itself is gone from landing\n" in text.stdout


def test_of_a_key_that_is_gone_the_ledgers_latest_version_is_told(baler):
    versions = []
    for body in (b"1", b"22"):
        versions.append(baler.put("data/twice", body))
        baler.wait(lambda: (w := baler.json("where", url("data/twice")))["place"] == "member" and
                   w["version"] == versions[-1])
    for version in versions:
        baler.s3.delete_object(Bucket=LANDING, Key="data/twice", VersionId=version)
    assert baler.json("where", url("data/twice"))["version"] == versions[1]


def test_a_key_under_a_delete_marker_is_there(baler):
    version = baler.put("data/marked")
    baler.wait(lambda: baler.json("where", url("data/marked"))["place"] == "member")
    marker = baler.s3.delete_object(Bucket=LANDING, Key="data/marked")["VersionId"]
    where = baler.json("where", url("data/marked"))
    assert where["version"] == version and "source_gone" not in where
    assert baler.json("where", url("data/marked"), "--version", marker, code=1)["place"] == "not-found"


@pytest.mark.parametrize("key", [
    "data/with space", "data/plus+sign", "data/a=b&c=d;e", "data/100%25%", "data/question?#hash", "data/tab\tand\\back",
    "data/ünïcödé/日本語/😀", "data/e\u0301", "data/quote\"s'", "data/" + "k" * 1019, "data/" + "ü" * 509])
def test_any_key(baler, key):
    version = baler.put(key)
    where = baler.wait(lambda: (w := baler.json("where", url(key)))["place"] in ("member", "rejected") and w) \
        if bundles(key) else baler.wait(lambda: (r := baler.run("where", url(key), "--json")).returncode == 1 and
                                        (w := json.loads(r.stdout))["place"] == "rejected" and w)
    assert (where["key"], where["version"], where["place"]) == (key, version, "member" if bundles(key) else "rejected")
    code = 0 if bundles(key) else 1
    assert baler.json("where", url(key), "--version", version, code=code)["place"] == where["place"]


def bundles(key):
    """Whether a member may have this name: a backslash or a control character may not."""
    return not set(key) & set("\\\t")


def test_a_bundle_that_was_taken_and_what_the_archive_has(baler):
    baler.put("data/taken")
    where = baler.wait(lambda: (w := baler.json("where", url("data/taken")))["place"] == "member" and w["published"] and w)
    assert (where["taken"], where["archived"]) == (False, True)
    baler.s3.delete_object(Bucket=DISTRIBUTION, Key=where["bundle_key"])
    taken = baler.json("where", url("data/taken"))
    assert (taken["published"], taken["taken"], taken["archived"]) == (True, True, True)
    assert taken["bundle_key"] == where["bundle_key"]
    assert "which was taken out of its bucket since; the archive has it" in baler.run("where", url("data/taken")).stdout
    baler.s3.delete_object(Bucket=ARCHIVE, Key=where["bundle_key"])
    assert baler.json("where", url("data/taken"))["archived"] is False


def test_the_same_bytes_twice_are_two_versions_in_two_bundles(baler):
    first = baler.put("data/same", b"same")
    one = baler.wait(lambda: (w := baler.json("where", url("data/same")))["place"] == "member" and w)
    second = baler.put("data/same", b"same")
    two = baler.wait(lambda: (w := baler.json("where", url("data/same")))["version"] == second and
                     w["place"] == "member" and w)
    assert first != second and one["bundle_key"] != two["bundle_key"]


def test_what_a_direct_invocation_bundled_has_the_ledgers_answer(baler):
    """Its bundles are in no ledger: below the prefix the pipeline's bundle is told, elsewhere that nothing watches it."""
    client = boto3.client("lambda", endpoint_url=baler.server.endpoint, region_name="us-east-1",
                          aws_access_key_id=baler.server.access_key, aws_secret_access_key=baler.server.secret_key)
    records = []
    for key in ("data/direct", "aside/direct"):
        answer = baler.s3.put_object(Bucket=LANDING, Key=key, Body=b"direct")
        records.append({"eventName": "ObjectCreated:Put", "eventSource": "aws:s3", "s3": {
            "bucket": {"name": LANDING}, "object": {"key": key, "size": 6, "versionId": answer["VersionId"]}}})
    where = baler.wait(lambda: (w := baler.json("where", url("data/direct")))["place"] == "member" and w)
    before = set(baler.bundles())
    client.invoke(FunctionName="data-aggregator-processor-dev",
                  Payload=json.dumps({"e2e_test_direct_invoke": True, "records": records}))
    assert len(set(baler.bundles()) - before) == 1
    assert baler.json("where", url("data/direct"))["bundle_key"] == where["bundle_key"]
    assert baler.json("where", url("aside/direct"), code=1)["place"] == "not-watched"


def test_after_retention(tmp_path):
    """Source and bundle have gone; the ledger knows, and the archive has it."""
    baler = Baler(tmp_path / "s", "--landing-retention", "1s", "--distribution-retention", "1s")
    try:
        version = baler.put("data/old")
        where = baler.wait(lambda: (r := baler.run("where", url("data/old"), "--json")).returncode == 0 and
                           (w := json.loads(r.stdout)).get("source_gone") and w["taken"] and w)
        assert (where["place"], where["version"], where["archived"]) == ("member", version, True)
    finally:
        baler.stop()


def test_several_and_a_list(baler):
    version = baler.put("data/list/a b", b"1")
    baler.wait(lambda: baler.json("where", url("data/list/a b"))["place"] == "member")
    newer = baler.put("data/list/a b", b"2")
    baler.wait(lambda: (w := baler.json("where", url("data/list/a b")))["place"] == "member" and w["version"] == newer)
    several = baler.run("where", url("data/list/a b"), url("data/list/never"))
    lines = [line.split("\t") for line in several.stdout.splitlines()]
    assert several.returncode == 1 and [line[1] for line in lines] == ["member", "not-found"]
    assert lines[0][0] == url("data/list/a b") and lines[0][2].startswith(f"s3://{DISTRIBUTION}/") and lines[0][3] == newer
    assert lines[1][2:4] == ["-", "-"] and all(len(line) == 5 for line in lines)
    text = f"{url('data/list/a b')}\t{version}\n\n{url('data/list/a b')}\nnonsense\n{url('other/x')}\n"
    listed = baler.run("where", "-", "--json", stdin=text)
    answers = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(a["place"], a.get("version")) for a in answers] == [("member", version), ("member", newer), ("not-watched", None)]
    assert listed.returncode == 2 and "'nonsense': which object? give s3://BUCKET/KEY" in listed.stderr
    assert baler.run("where", url("a"), url("b"), "--version", version).returncode == 2
    assert baler.run("where", "-", "--version", version, stdin="").returncode == 2


def test_a_rejected_one_names_the_code_and_the_dead_letter(baler):
    baler.put("data/../up")
    dead = baler.wait(lambda: [d for d in baler.dead_letters() if "up" in json.dumps(d)])[0]
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


def test_objects_of_another_store(tmp_path, foreign, monkeypatch):  # noqa: F811
    """Its landing bucket is not asked: what baler knows of a key is told, and that it does not look there."""
    address, theirs = foreign
    monkeypatch.setenv("BALER_LANDING_ACCESS_KEY_ID", "foreign")
    monkeypatch.setenv("BALER_LANDING_SECRET_ACCESS_KEY", "foreign")
    monkeypatch.setenv("BALER_EVENTS_TOKEN", TOKEN)
    baler = Baler(tmp_path / "s", "--landing-endpoint", address, "--landing-bucket", "their-landing")
    try:
        versions = []
        for body in (b"1", b"22"):
            put = theirs.put_object(Bucket="their-landing", Key="data/far off", Body=body)
            versions.append(put["VersionId"])
            record = s3_record("their-landing", "data/far off", put["VersionId"], len(body), put["ETag"].strip('"'))
            assert post(baler, {"Records": [record]}).status_code == 200
            where = baler.wait(lambda: (r := baler.run("where", "s3://their-landing/data/far off", "--json")).returncode == 0 and
                               (w := json.loads(r.stdout))["place"] == "member" and w["version"] == versions[-1] and w)
        assert "source_gone" not in where and where["archived"]
        first = baler.json("where", "s3://their-landing/data/far off", "--version", versions[0])
        assert first["place"] == "member" and first["bundle_key"] != where["bundle_key"]
        never = baler.json("where", "s3://their-landing/data/never", code=1)
        assert never["place"] == "not-found" and "in another store, which is not asked" in never["why"]
        assert baler.json("where", url("data/far off"), code=1)["place"] == "not-watched"
    finally:
        baler.stop()


@pytest.mark.parametrize("operand", ["", "data/x", "s3://", "s3://bucket", "s3://bucket/", "http://bucket/key"])
def test_mistakes_exit_2(baler, operand):
    answer = baler.run("where", operand)
    assert answer.returncode == 2 and "give s3://BUCKET/KEY" in answer.stderr


def test_many_objects_are_asked_about_over_one_connection(baler):
    for number in range(20):
        baler.put(f"data/many/{number}")
    door = Doorman(baler.server.endpoint)
    listed = baler.run("where", "-", "--json", "--endpoint-url", door.endpoint,
                       stdin="".join(url(f"data/many/{number}") + "\n" for number in range(20)))
    door.listener.close()
    assert [json.loads(line)["key"] for line in listed.stdout.splitlines()] == [f"data/many/{number}" for number in range(20)]
    assert door.accepted == 1
