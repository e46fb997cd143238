"""kill -9 at any moment: what was acknowledged is there afterwards, and ends in exactly one bundle.

Suppliers put unique bodies (overwriting each other's keys now and then) while the server is killed KILLS times at random moments and
started again on the same folder. A consumer takes finished bundles away meanwhile and deletes them, as a real one does, so a bundle
that were published again after a restart would be seen as a duplicate. At the end every acknowledged body must have been in exactly one
bundle; a body whose PUT was never answered in one or none; nothing else in any. The archive must hold exactly the bundles that were
taken, and the manifest of each must name its members, their hashes, and where in the tar their bytes are.

Some go other ways, all cut off by the same kills. Announced twice, by its event and by a direct invocation with a queue's messages: still in
exactly one. Invoked directly, without queue and ledger: in one when the answer says so, never in two; the audit finds no plan of such a
bundle, and one that was cut off may be archived and never published. With a key that no archive may have: in
none, and in the dead letters. Meanwhile an operator redrives all dead letters and replays the archive, any number of times; a bundle
that comes again by a replay has the same name and the same bytes, so a consumer knows it.
"""
import collections
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

import boto3
from botocore.config import Config

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from server import ROOT, Server  # noqa: E402

BINARY = os.environ.get("BALER_BIN", str(ROOT / "build/src/cli/baler"))
KILLS = int(os.environ.get("BALER_KILLS", "50"))
SEED = int(os.environ.get("BALER_SEED", str(random.randrange(1 << 32))))
SUPPLIERS = 4
LANDING, DISTRIBUTION = "data-aggregator-landing-dev", "data-aggregator-distribution-dev"
ARCHIVE = "data-aggregator-archive-dev"
FUNCTION = "data-aggregator-processor-dev"
KEYS = ("crashtest", "crash-test-secret-key")
SETTLE_S = 90


def client(endpoint, service="s3"):
    return boto3.client(
        service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=KEYS[0], aws_secret_access_key=KEYS[1],
        config=Config(retries={"max_attempts": 1, "mode": "standard"}, read_timeout=10, connect_timeout=2))


def baler(endpoint, *words):
    """A command of the operator's. Its answer counts only when it comes: the server may die meanwhile."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    environment.update(AWS_ENDPOINT_URL=endpoint, AWS_ACCESS_KEY_ID=KEYS[0], AWS_SECRET_ACCESS_KEY=KEYS[1], AWS_REGION="us-east-1",
                       AWS_CONFIG_FILE="/nonexistent", AWS_SHARED_CREDENTIALS_FILE="/nonexistent")
    return subprocess.run([BINARY, *words], env=environment, capture_output=True, text=True, timeout=60, check=False)


def record_of(key, body, put):
    return {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": LANDING},
                   "object": {"key": key, "size": len(body), "versionId": put["VersionId"], "eTag": put["ETag"].strip('"')}}}


def queue_messages(*records):
    return {"Records": [{"messageId": f"m{i}", "receiptHandle": f"r{i}", "eventSource": "aws:sqs",
                         "body": json.dumps({"Records": [r]})} for i, r in enumerate(records)]}


class Storm:
    """What was sent and what was acknowledged, by the body's hash; direct: what a direct invocation has answered for."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent, self.acked, self.direct, self.direct_sent = set(), set(), set(), set()
        self.bad_versions, self.bad_bodies = set(), set()
        self.stopping = threading.Event()
        self.endpoint = None

    def connected(self, service="s3"):
        """Yields a client of the server as it is now, whenever there is one."""
        client_, endpoint = None, None
        while not self.stopping.is_set():
            if endpoint != self.endpoint:
                endpoint = self.endpoint
                client_ = client(endpoint, service) if endpoint else None
            if client_ is None:
                time.sleep(0.01)
            else:
                yield client_

    def note(self, group, thing):
        with self.lock:
            group.add(thing)

    def supply(self, number):
        rng = random.Random(SEED * 1000 + number)
        for count, s3 in enumerate(self.connected(), 1):
            size = rng.choice([0, 100, 4096, 20000, 200000])
            body = b"%d-%d-" % (number, count) + rng.randbytes(size)
            digest = hashlib.sha256(body).hexdigest()
            key = f"data/crash/{number}-{rng.randrange(count // 2 + 1)}"
            is_bad = rng.randrange(25) == 0
            self.note(self.bad_bodies if is_bad else self.sent, digest)
            try:
                answer = s3.put_object(Bucket=LANDING, Key=f"data/bad/../{number}-{count}" if is_bad else key, Body=body)
            except Exception:  # pylint: disable=broad-except  # the server died: not acknowledged
                time.sleep(0.02)
                continue
            if is_bad:
                self.note(self.bad_versions, answer["VersionId"])
            else:
                self.note(self.acked, digest)

    def invoke(self):
        """Announces objects a second time, or bundles some that nothing else announces."""
        rng = random.Random(SEED * 1000 - 1)
        for count, functions in enumerate(self.connected("lambda"), 1):
            is_direct = count % 2 == 0
            body = b"invoked-%d-" % count + rng.randbytes(3000)
            digest = hashlib.sha256(body).hexdigest()
            key = f"{'direct' if is_direct else 'data/invoked'}/{count}"
            self.note(self.sent, digest)
            if is_direct:
                self.note(self.direct_sent, digest)
            try:
                put = client(functions.meta.endpoint_url).put_object(Bucket=LANDING, Key=key, Body=body)
                if not is_direct:
                    self.note(self.acked, digest)
                event = record_of(key, body, put)
                payload = {"e2e_test_direct_invoke": True, "records": [event]} if is_direct else queue_messages(event, event)
                answer = json.load(functions.invoke(FunctionName=FUNCTION, Payload=json.dumps(payload).encode())["Payload"])
            except Exception:  # pylint: disable=broad-except  # the server died
                time.sleep(0.02)
                continue
            if is_direct and answer.get("processed_records") == 1:
                self.note(self.direct, digest)

    def operate(self):
        """An operator who redrives and replays whatever there is."""
        for count, s3 in enumerate(self.connected(), 1):
            words = ("deadletter", "redrive", "--all") if count % 2 else ("replay", "--since", "1h")
            baler(s3.meta.endpoint_url, *words)
            self.stopping.wait(1)


def hashes_in(data):
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as bundle:
        return [hashlib.sha256(bundle.extractfile(m).read()).hexdigest() for m in bundle]


class Consumer:
    """Downloads, counts every member's hash, deletes."""

    def __init__(self):
        self.seen = collections.Counter()
        self.taken = {}  # key: hash

    def take(self, endpoint):
        s3 = client(endpoint)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=DISTRIBUTION):
            for item in page.get("Contents", []):
                self._take_one(s3, item["Key"])

    def _take_one(self, s3, key):
        answer = s3.get_object(Bucket=DISTRIBUTION, Key=key)
        data = answer["Body"].read()
        digest = hashlib.sha256(data).hexdigest()
        assert digest == answer["Metadata"]["content-sha256"] == self.taken.get(key, digest)
        if key not in self.taken:  # a delete whose answer was lost leaves it listed; a replay brings it back
            members = hashes_in(data)
            assert members, f"{key} is empty"
            self.seen.update(members)
            self.taken[key] = digest
        s3.delete_object(Bucket=DISTRIBUTION, Key=key)


def try_to_take(consumer, endpoint):
    try:
        consumer.take(endpoint)
    except AssertionError:
        raise
    except Exception:  # pylint: disable=broad-except  # killed meanwhile
        pass


def start(folder):
    return Server("--batch-window", "300ms", data=folder, keys=KEYS)


def check_manifest(manifest, key, data):
    assert (manifest["bundle"], manifest["size"]) == (key, len(data))
    assert manifest["sha256"] == hashlib.sha256(data).hexdigest() and manifest["plan"] in key
    tar = gzip.decompress(data)
    with tarfile.open(fileobj=io.BytesIO(tar)) as bundle:
        assert [m["name"] for m in manifest["members"]] == bundle.getnames()
    for member in manifest["members"]:
        body = tar[member["offset"]:member["offset"] + member["size"]]
        assert hashlib.sha256(body).hexdigest() == member["sha256"], f"{key}: {member}"
        assert member["bucket"] == LANDING and member["versionId"]


def check_archive(consumer, storm, endpoint):
    s3 = client(endpoint)
    keys = set()
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=ARCHIVE):
        assert not page.get("DeleteMarkers")
        for item in page.get("Versions", []):
            assert item["Key"] not in keys, f"{item['Key']} is archived twice"
            keys.add(item["Key"])
    bundles = {key for key in keys if not key.startswith("manifests/")}
    assert bundles >= set(consumer.taken)
    for key in bundles:
        data = s3.get_object(Bucket=ARCHIVE, Key=key)["Body"].read()
        if key in consumer.taken:
            check_manifest(json.load(s3.get_object(Bucket=ARCHIVE, Key=f"manifests/{key}.json")["Body"]), key, data)
        else:
            assert set(hashes_in(data)) <= storm.direct_sent, f"{key} is archived and was never published"
    assert keys - bundles >= {f"manifests/{key}.json" for key in consumer.taken}
    assert {key[len("manifests/"):-len(".json")] for key in keys - bundles} <= bundles


def check_ledger(consumer, storm, folder):
    audit = subprocess.run([BINARY, "verify", "--ledger", "--json", "--data", os.path.join(folder, "data")], capture_output=True,
                           text=True, timeout=SETTLE_S, check=False)
    assert audit.returncode in (0, 1), audit.stderr
    wrong = json.loads(audit.stdout)["findings"]
    assert not wrong and audit.returncode == 0, f"seed {SEED}: {wrong[:20]}"


def settle(consumer, storm, endpoint):
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        consumer.take(endpoint)
        if storm.acked | storm.direct <= set(consumer.seen):
            break
        time.sleep(0.3)
    time.sleep(1.5)  # long enough for a bundle that should not come
    consumer.take(endpoint)


def test_everything_acknowledged_ends_in_exactly_one_bundle():
    rng = random.Random(SEED)
    storm, consumer = Storm(), Consumer()
    folder = tempfile.mkdtemp(prefix="baler-crash-")
    suppliers = [threading.Thread(target=storm.supply, args=(i,), daemon=True) for i in range(SUPPLIERS)]
    suppliers += [threading.Thread(target=work, daemon=True) for work in (storm.invoke, storm.operate)]
    for s in suppliers:
        s.start()
    for kill in range(KILLS):
        server = start(folder)
        storm.endpoint = server.endpoint
        timer = threading.Timer(rng.uniform(0.05, 1.2), server.process.kill)
        timer.start()
        if kill % 3 == 0:
            try_to_take(consumer, server.endpoint)
        server.process.wait()
        timer.cancel()
        storm.endpoint = None
        server.process.stdout.close()
    server = start(folder)
    storm.endpoint = server.endpoint
    time.sleep(1)
    storm.stopping.set()
    for s in suppliers:
        s.join()
    settle(consumer, storm, server.endpoint)
    check_archive(consumer, storm, server.endpoint)
    dead = json.loads(baler(server.endpoint, "deadletter", "list", "--json").stdout)
    buried = {o["version"] for d in dead for o in d["objects"]}
    assert server.stop() == 0

    check_ledger(consumer, storm, folder)
    print(f"{KILLS} kills, seed {SEED}: {len(storm.sent)} sent, {len(storm.acked)} acknowledged, "
          f"{len(consumer.taken)} bundles")
    print(f"{len(storm.direct)} by direct invocation, {len(storm.bad_versions)} with bad keys, {len(dead)} dead letters")
    lost = (storm.acked | storm.direct) - set(consumer.seen)
    twice = [digest for digest, n in consumer.seen.items() if n != 1]
    foreign = set(consumer.seen) - storm.sent
    assert len(storm.acked) > KILLS, f"seed {SEED}: too few acknowledged to mean anything"
    assert not lost, f"seed {SEED}: {len(lost)} lost"
    assert not twice, f"seed {SEED}: {len(twice)} in two bundles"
    assert not storm.bad_versions - buried, f"seed {SEED}: {len(storm.bad_versions - buried)} with bad keys are nowhere"
    assert not foreign, f"seed {SEED}: {len(foreign)} that nobody sent"
