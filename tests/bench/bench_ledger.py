#!/usr/bin/env python3
"""How long `baler verify --ledger` and `baler where` take, and how much memory, on a large data folder.

usage: bench_ledger.py BUILD_DIR [--objects N] [--members M] [--keep DIR]

Makes a data folder of N objects (1,000,000) in bundles of M members (1,000), each archived with its manifest, whose rows are written straight into
the database of a server that has just been stopped; then verifies it, starts a server on it, and asks where objects are. --keep leaves the
folder at DIR for another look.
"""
import argparse
import gzip
import hashlib
import json
import os
import pathlib
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from server import Server  # noqa: E402

LANDING, DISTRIBUTION, ARCHIVE = (f"data-aggregator-{role}-dev" for role in ("landing", "distribution", "archive"))
BODY_BYTES = 64
SEQ_SHIFT = 20


def tar_header(name, size):
    head = bytearray(512)
    head[:len(name)] = name
    head[100:136] = b"0000644\x000000000\x000000000\x00" + b"%011o\x00" % size
    head[136:148] = b"00000000000\x00"
    head[148:156] = b" " * 8
    head[156:157] = b"0"
    head[257:265] = b"ustar\x0000"
    head[148:156] = b"%06o\x00 " % sum(head)
    return bytes(head)


class Folder:
    """Writes objects, bundles and manifests as a server would have left them."""

    def __init__(self, path):
        self.path = path
        self.db = sqlite3.connect(path / "baler.db", isolation_level=None)
        self.db.execute("PRAGMA synchronous = OFF")
        self.db.execute("BEGIN")
        self.buckets = {name: i for i, name in self.db.execute("SELECT id, name FROM bucket")}
        self.wall_ms = int(time.time() * 1000) - 3600000
        self.seq = self.wall_ms << SEQ_SHIFT

    def next_seq(self):
        self.seq += 1
        return self.seq

    def version(self, bucket, key, seq, nonce, kind, size, headers):
        self.db.execute("INSERT INTO version(bucket, is_current, key, seq, nonce, is_null, is_marker, kind, size, modified, n_parts, etag, headers)"
                        " VALUES(?, 1, ?, ?, ?, 0, 0, ?, ?, ?, 0, '0', ?)",
                        (self.buckets[bucket], key, seq, nonce, kind, size, self.wall_ms, headers))

    def file(self, bucket, key, data, headers, link=None):
        blob = os.urandom(16)
        target = self.path / "blobs" / blob.hex()[:2] / blob.hex()[2:]
        target.parent.mkdir(exist_ok=True)
        if link:
            os.link(link, target)
        else:
            target.write_bytes(data)
        seq = self.next_seq()
        self.version(bucket, key, seq, 1, 2, len(data), headers)
        self.db.execute("INSERT INTO blob(id, size) VALUES(?, ?)", (blob, len(data)))
        self.db.execute("INSERT INTO segment(version, idx, size, blob) VALUES(?, 0, ?, ?)", (seq, len(data), blob))
        return target

    def bundle(self, first, n):
        plan, members, tar = os.urandom(16), [], []
        offset = 0
        for i in range(first, first + n):
            key, body, seq = b"data/plant-%03d/reading-%08d.json" % (i % 997, i), b"%0*d" % (BODY_BYTES, i), self.next_seq()
            self.version(LANDING, key, seq, 0, 1, len(body), b"")
            self.db.execute("INSERT INTO body(id, data) VALUES(?, ?)", (seq, body))
            version = b"%016x%016x" % (seq, 0)
            self.db.execute("INSERT INTO claim(version, bucket, key, state, plan, slot, attempts) VALUES(?, ?, ?, 1, ?, ?, 1)",
                            (version, LANDING.encode(), key, plan, i - first))
            tar += [tar_header(key, len(body)), body, bytes(-len(body) % 512)]
            offset += 512
            members.append('{"name":"%s","bucket":"%s","key":"%s","versionId":"%s","size":%d,"sha256":"%s","offset":%d}' % (
                key.decode(), LANDING, key.decode(), version.decode(), len(body), hashlib.sha256(body).hexdigest(), offset))
            offset += len(body) + -len(body) % 512
        data = gzip.compress(b"".join(tar) + bytes(1024), 1, mtime=0)
        self.publish(plan, data, members, n)

    def publish(self, plan, data, members, n):
        key = f"2026/11/23/11/bundle-{plan.hex()}.tar.gz"
        digest = hashlib.sha256(data)
        headers = f"content-type:application/gzip\nx-amz-meta-content-sha256:{digest.hexdigest()}\n".encode()
        file = self.file(ARCHIVE, key.encode(), data, headers)
        text = ('{"version":1,"plan":"%s","bucket":"%s","bundle":"%s","created":"2026-11-23T11:00:00.000Z","members":[\n%s],\n"size":%d,'
                '"sha256":"%s"}\n' % (plan.hex(), DISTRIBUTION, key, ",\n".join(members), len(data), digest.hexdigest()))
        self.file(ARCHIVE, f"manifests/{key}.json".encode(), text.encode(), b"content-type:application/json\n")
        self.file(DISTRIBUTION, key.encode(), data, headers, link=file)
        self.db.execute("INSERT INTO plan(seq, id, state, live, heartbeat, nonce, owner, bucket, key, opened, size, n_slots, sha256, staged,"
                        " excluded) VALUES(?, ?, 4, 0, 1, x'00', x'62', ?, ?, ?, ?, ?, ?, x'', x'')",
                        (self.next_seq(), plan, DISTRIBUTION.encode(), key.encode(), self.wall_ms, len(data), n, digest.digest()))

    def close(self):
        self.db.execute("UPDATE meta SET value = ? WHERE name = 'seq_limit'", (self.seq + (1 << SEQ_SHIFT),))
        self.db.execute("COMMIT")
        self.db.close()


def make(path, n_objects, n_members):
    server = Server(data=str(path))
    assert server.stop() == 0
    folder = Folder(path / "data")
    for first in range(0, n_objects, n_members):
        folder.bundle(first, min(n_members, n_objects - first))
    folder.close()


def verify(binary, path):
    started = time.monotonic()
    answer = subprocess.run([binary, "verify", "--ledger", "--json", "--data", str(path / "data")], capture_output=True, text=True, check=False)
    seconds, used = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(answer.stdout)
    assert answer.returncode == 0, found["findings"][:3]
    print(f"verify --ledger: {found['versions']:,} objects, {found['bundles']:,} bundles, {found['manifests']:,} manifests in"
          f" {seconds:.1f} s ({used.ru_utime:.1f} s user, {used.ru_stime:.1f} s system), {used.ru_maxrss / 1024:.0f} MiB")


def where(binary, path, n_objects):
    server = Server(data=str(path))
    environment = {"AWS_ENDPOINT_URL": server.endpoint, "AWS_ACCESS_KEY_ID": server.access_key,
                   "AWS_SECRET_ACCESS_KEY": server.secret_key, "AWS_REGION": "us-east-1", "PATH": os.environ["PATH"]}
    keys = {"in a bundle": f"data/plant-{n_objects // 2 % 997:03}/reading-{n_objects // 2:08}.json", "that never was": "data/never"}
    for what, key in keys.items():
        seconds = []
        for _ in range(5):
            started = time.monotonic()
            subprocess.run([binary, "where", f"s3://{LANDING}/{key}"], env=environment, capture_output=True, check=False)
            seconds.append(time.monotonic() - started)
        print(f"where, a key {what}: {1000 * statistics.median(seconds):.0f} ms, the slowest of 5 {1000 * max(seconds):.0f} ms")
    listed = "".join(f"s3://{LANDING}/data/plant-{i % 997:03}/reading-{i:08}.json\n" for i in range(0, n_objects, max(1, n_objects // 1000)))
    started = time.monotonic()
    answer = subprocess.run([binary, "where", "-"], env=environment, input=listed, capture_output=True, text=True, check=True)
    print(f"where, a list of {len(answer.stdout.splitlines()):,}: {time.monotonic() - started:.1f} s")
    assert server.stop() == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--objects", type=int, default=1000000)
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--keep")
    options = parser.parse_args()
    binary = os.environ["BALER_BIN"] = str(pathlib.Path(options.build).resolve() / "src/cli/baler")
    path = pathlib.Path(options.keep or tempfile.mkdtemp(prefix="baler-bench-"))
    path.mkdir(exist_ok=True)
    try:
        if not (path / "data").exists():
            make(path, options.objects, options.members)
        verify(binary, path)
        where(binary, path, options.objects)
    finally:
        if not options.keep:
            shutil.rmtree(path)


if __name__ == "__main__":
    main()
