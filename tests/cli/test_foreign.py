"""`serve --landing-endpoint`: what lies in another store is bundled exactly once, whatever that store does meanwhile."""
import io
import json
import os
import tarfile
import time

import pytest
import requests

from foreign_kit import BUCKET, Foreign
from operator_kit import DISTRIBUTION, Baler

TOKEN = "a-token-of-the-other-store"


@pytest.fixture(scope="module")
def store():
    running = Foreign()
    yield running
    running.stop()


class World:
    """A baler whose landing bucket is in the store."""

    def __init__(self, folder, store, bucket=BUCKET, *options):
        variables = {"BALER_LANDING_ACCESS_KEY_ID": "foreign", "BALER_LANDING_SECRET_ACCESS_KEY": "foreign", "BALER_EVENTS_TOKEN": TOKEN}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            self.baler = Baler(folder, "--landing-endpoint", store.door.url, "--landing-bucket", bucket, *options)
        self.folder, self.store, self.bucket = folder, store, bucket

    def send(self, *records):
        answer = requests.post(self.baler.server.endpoint + "/-/events", data=json.dumps({"Records": records}),
                               headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)
        assert (answer.status_code, answer.json()) == (200, {"accepted": len(records)})

    def shipped(self):
        """(name, bytes) of every member of every bundle."""
        found = []
        for key in self.baler.bundles():
            body = self.baler.s3.get_object(Bucket=DISTRIBUTION, Key=key)["Body"].read()
            with tarfile.open(fileobj=io.BytesIO(body)) as bundle:
                found += [(name, bundle.extractfile(name).read()) for name in bundle.getnames()]
        return sorted(found)

    def idle(self):
        queue = self.baler.json("status")["queue"]
        return queue["visible"] + queue["in_flight"] == 0

    def wait_for(self, expected, seconds=60):
        expected = sorted(expected)
        self.baler.wait(lambda: self.idle() and self.shipped() == expected, seconds)
        assert self.baler.dead_letters() == []


@pytest.fixture
def world(tmp_path, store):
    running = World(tmp_path / "s", store)
    yield running
    store.door.state = "open"
    running.baler.stop()


@pytest.mark.parametrize("state", ["shut", "denied"])
def test_a_store_that_is_away_for_a_while(world, store, state):
    bodies = {f"data/{state}/{i}": os.urandom(1000) for i in range(5)}
    records = [store.put(key, body) for key, body in bodies.items()]
    store.door.state = state
    asked = store.door.n_asked
    world.send(*records)
    world.baler.wait(lambda: store.door.n_asked > asked)
    assert world.shipped() == []
    store.door.state = "open"
    world.wait_for(bodies.items(), 120)


def test_each_version_of_an_overwritten_object(world, store):
    bodies = [os.urandom(500 + i) for i in range(3)]
    records = [store.put("data/over", body) for body in bodies]
    world.send(*reversed(records))
    world.wait_for([("data/over", body) for body in bodies])


def test_events_that_are_repeated_late_and_after_a_crash(world, store):
    bodies = {f"data/again/{i}": os.urandom(100) for i in range(4)}
    records = [store.put(key, body) for key, body in bodies.items()]
    for record in records:
        world.send(record, record)
    world.wait_for(bodies.items())
    world.baler.server.process.kill()
    world.baler.server.process.wait()
    again = World(world.folder, store)
    try:
        again.send(*records)
        again.send(store.put("data/again/new", b"new"))
        again.wait_for([*bodies.items(), ("data/again/new", b"new")])
    finally:
        again.baler.stop()


def test_names_that_must_be_encoded(world, store):
    bodies = {f"data/names/{name}": os.urandom(10) for name in ("a b", "a+b", "ü/é", "100%", "a=b&c", "x%2Fy", "[1] 'q' \"z\"", "日本語.csv")}
    world.send(*[store.put(key, body) for key, body in bodies.items()])
    decoded = {"data/names/x%2Fy": "data/names/x/y"}  # the member's name is the canonical key
    world.wait_for([(decoded.get(key, key), body) for key, body in bodies.items()])


def test_a_bucket_without_versions_ships_each_put_that_is_still_there(tmp_path, store):
    store.add_bucket("plain", versioned=False)
    world = World(tmp_path / "s", store, "plain")
    try:
        first = store.put("data/one", b"first", "plain")
        world.send(first)
        world.wait_for([("data/one", b"first")])
        second = store.put("data/one", b"second", "plain")
        world.send(second, first)
        world.send(second)
        world.wait_for([("data/one", b"first"), ("data/one", b"second")])
        lost, kept = store.put("data/two", b"overwritten at once", "plain"), store.put("data/two", b"what is there", "plain")
        world.send(lost, kept)  # what the first event told of is gone: it ends as a dead letter, in the end
        expected = [("data/one", b"first"), ("data/one", b"second"), ("data/two", b"what is there")]
        world.baler.wait(lambda: world.shipped() == expected)
    finally:
        world.baler.stop()


def test_events_that_were_lost_are_found_again(tmp_path, store):
    store.add_bucket("lossy", versioned=True)
    bodies = [(f"data/lost/{i}", os.urandom(50)) for i in range(5)] + [("data/lost/0", b"again"), ("data/known", b"known")]
    records = [store.put(key, body, "lossy") for key, body in bodies]
    store.put("elsewhere/x", b"not watched", "lossy")
    store.put("data/bad/../name", b"never bundled", "lossy")
    store.s3.delete_object(Bucket="lossy", Key="data/lost/1")  # its version is still there, under a marker
    world = World(tmp_path / "s", store, "lossy", "--reconcile-interval", "1s", "--reconcile-after", "2s")
    try:
        world.send(records[-1])
        world.baler.wait(lambda: world.idle() and world.shipped() == sorted(bodies), 60)
        late = store.put("data/lost/late", b"late", "lossy")
        bodies.append(("data/lost/late", b"late"))
        world.baler.wait(lambda: world.idle() and world.shipped() == sorted(bodies), 60)
        world.send(late, *records)  # they were only late
        time.sleep(4)  # some more passes
        world.baler.wait(world.idle)
        assert world.shipped() == sorted(bodies)
        assert [d["code"] for d in world.baler.dead_letters()] == ["UNSAFE_S3_KEY_PATH"]
        assert '"event":"reconciled"' in world.baler.server.log_tail()
    finally:
        world.baler.stop()


def test_a_bucket_without_versions_is_not_reconciled(tmp_path, store):
    store.add_bucket("plain-lossy", versioned=False)
    store.put("data/x", b"x", "plain-lossy")
    world = World(tmp_path / "s", store, "plain-lossy", "--reconcile-interval", "1s", "--reconcile-after", "0s")
    try:
        world.baler.wait(lambda: '"unversioned_objects":1' in world.baler.server.log_tail())
        assert world.idle() and world.shipped() == []
    finally:
        world.baler.stop()


def test_a_store_that_gives_more_than_a_page(tmp_path, store):
    """It was asked for 1,000 at most; those that do not know max-keys give all."""
    version = ("<Version><Key>data/many/{0}</Key><VersionId>v{0}</VersionId><IsLatest>true</IsLatest>"
               "<LastModified>2026-11-23T11:00:00.000Z</LastModified><ETag>&quot;{1}&quot;</ETag><Size>1</Size></Version>")
    store.door.versions = ("<ListVersionsResult><Name>many</Name><IsTruncated>false</IsTruncated>" + "".join(
        version.format(i, "0" * 32) for i in range(2500)) + "</ListVersionsResult>").encode()
    store.add_bucket("many", versioned=True)
    world = World(tmp_path / "s", store, "many", "--reconcile-interval", "1s", "--reconcile-after", "0s",
                  "--ledger-retention", "0s", "--batch-window", "60s")  # however old they are; and nothing is bundled meanwhile
    try:
        world.baler.wait(lambda: '"queued_versions":2500' in world.baler.server.log_tail(), 60)
    finally:
        store.door.versions = None
        world.baler.stop()


def test_it_ends_within_10_s_also_when_the_store_hangs(tmp_path, store):
    world = World(tmp_path / "s", store, BUCKET, "--reconcile-interval", "1s", "--reconcile-after", "0s")
    n_asked, store.door.state = store.door.n_asked, "hung"
    try:
        world.baler.wait(lambda: store.door.n_asked > n_asked)
        begun = time.monotonic()
        assert world.baler.server.stop() == 0
        assert time.monotonic() - begun < 10
    finally:
        store.door.state = "open"
        world.baler.server.process.kill()
