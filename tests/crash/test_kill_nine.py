"""kill -9 at any moment: what was acknowledged is there afterwards, and ends in exactly one bundle.

Suppliers put unique bodies (overwriting each other's keys now and then) while the server is killed KILLS times at random moments and
started again on the same folder. A consumer takes finished bundles away meanwhile and deletes them, as a real one does, so a bundle
that were published again after a restart would be seen as a duplicate. At the end every acknowledged body must have been in exactly one
bundle; a body whose PUT was never answered in one or none; nothing else in any. The archive must hold exactly the bundles that were
taken, and the manifest of each must name its members, their hashes, and where in the tar their bytes are.
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
KEYS = ("crashtest", "crash-test-secret-key")
SETTLE_S = 90


def client(endpoint):
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=KEYS[0], aws_secret_access_key=KEYS[1],
        config=Config(retries={"max_attempts": 1, "mode": "standard"}, read_timeout=10, connect_timeout=2))


class Storm:
    """What was sent and what was acknowledged, by the body's hash."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent, self.acked = set(), set()
        self.stopping = threading.Event()
        self.endpoint = None

    def supply(self, number):
        rng = random.Random(SEED * 1000 + number)
        s3, endpoint, count = None, None, 0
        while not self.stopping.is_set():
            if endpoint != self.endpoint:
                endpoint = self.endpoint
                s3 = client(endpoint) if endpoint else None
            if s3 is None:
                time.sleep(0.01)
                continue
            count += 1
            size = rng.choice([0, 100, 4096, 20000, 200000])
            body = b"%d-%d-" % (number, count) + rng.randbytes(size)
            digest = hashlib.sha256(body).hexdigest()
            key = f"data/crash/{number}-{rng.randrange(count // 2 + 1)}"
            with self.lock:
                self.sent.add(digest)
            try:
                s3.put_object(Bucket=LANDING, Key=key, Body=body)
            except Exception:  # pylint: disable=broad-except  # the server died: not acknowledged
                time.sleep(0.02)
                continue
            with self.lock:
                self.acked.add(digest)


class Consumer:
    """Downloads, counts every member's hash, deletes."""

    def __init__(self):
        self.seen = collections.Counter()
        self.taken = set()

    def take(self, endpoint):
        s3 = client(endpoint)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=DISTRIBUTION):
            for item in page.get("Contents", []):
                self._take_one(s3, item["Key"])

    def _take_one(self, s3, key):
        answer = s3.get_object(Bucket=DISTRIBUTION, Key=key)
        data = answer["Body"].read()
        assert hashlib.sha256(data).hexdigest() == answer["Metadata"]["content-sha256"]
        if key not in self.taken:  # a delete whose answer was lost leaves it listed
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as bundle:
                members = [hashlib.sha256(bundle.extractfile(m).read()).hexdigest() for m in bundle]
            assert members, f"{key} is empty"
            self.seen.update(members)
            self.taken.add(key)
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


def check_archive(consumer, endpoint):
    s3 = client(endpoint)
    keys = set()
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=ARCHIVE):
        assert not page.get("DeleteMarkers")
        for item in page.get("Versions", []):
            assert item["Key"] not in keys, f"{item['Key']} is archived twice"
            keys.add(item["Key"])
    assert keys == consumer.taken | {f"manifests/{key}.json" for key in consumer.taken}
    for key in consumer.taken:
        data = s3.get_object(Bucket=ARCHIVE, Key=key)["Body"].read()
        check_manifest(json.load(s3.get_object(Bucket=ARCHIVE, Key=f"manifests/{key}.json")["Body"]), key, data)


def settle(consumer, storm, endpoint):
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        consumer.take(endpoint)
        if storm.acked <= set(consumer.seen):
            break
        time.sleep(0.3)
    time.sleep(1.5)  # long enough for a bundle that should not come
    consumer.take(endpoint)


def test_everything_acknowledged_ends_in_exactly_one_bundle():
    rng = random.Random(SEED)
    storm, consumer = Storm(), Consumer()
    folder = tempfile.mkdtemp(prefix="baler-crash-")
    suppliers = [threading.Thread(target=storm.supply, args=(i,), daemon=True) for i in range(SUPPLIERS)]
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
    check_archive(consumer, server.endpoint)
    assert server.stop() == 0

    audit = subprocess.run([BINARY, "verify", "--ledger", "--data", os.path.join(folder, "data")], capture_output=True,
                           text=True, timeout=SETTLE_S, check=False)
    assert audit.returncode == 0, f"seed {SEED}: {audit.stdout[-4000:]}{audit.stderr}"
    print(f"{KILLS} kills, seed {SEED}: {len(storm.sent)} sent, {len(storm.acked)} acknowledged, "
          f"{len(consumer.taken)} bundles")
    lost = storm.acked - set(consumer.seen)
    twice = [digest for digest, n in consumer.seen.items() if n != 1]
    foreign = set(consumer.seen) - storm.sent
    assert len(storm.acked) > KILLS, f"seed {SEED}: too few acknowledged to mean anything"
    assert not lost, f"seed {SEED}: {len(lost)} lost"
    assert not twice, f"seed {SEED}: {len(twice)} in two bundles"
    assert not foreign, f"seed {SEED}: {len(foreign)} that nobody sent"
