"""bench_beside_one: how long small objects take to become visible beside ONE object that is large or slow.

    nothing   nothing beside them
    large     an object of --large bytes (5 GiB) is put in parts, bundled and published meanwhile
    slow put  an object is put at 10 KB/s meanwhile
    slow get  the objects lie in another store, which gives one of them at 10 KB/s

Small objects arrive at a steady rate, with a batching window of 1 s. Printed are the time from the moment when an object was due to the
moment when its bundle was first listed, and the server's largest VmHWM. The promise is: 99.9 of 100 objects within the window and 2 s
(docs/failures.md). Exit status 1 when it is not kept.
"""
import argparse
import hashlib
import http.server
import json
import os
import pathlib
import socket
import sys
import threading
import time
import urllib.parse
import urllib.request

import boto3
from botocore.config import Config

from bench_serve import DISTRIBUTION, Run

LANDING = "data-aggregator-landing-dev"
WINDOW_S, PROMISE_S = 1, 2
SLOW_BYTES_PER_S = 10_000
PART_BYTES = 64 << 20
OWN_BUNDLE_BYTES = 64 << 20  # a larger bundle is the large object's; it is not read
TOKEN = "bench-" + os.urandom(12).hex()


class Beside(Run):
    """A run whose bundles are told apart by size."""

    def list_new(self):
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=DISTRIBUTION):
            for item in page.get("Contents", []):
                self.large_is_visible |= item["Size"] > OWN_BUNDLE_BYTES
                if item["Size"] <= OWN_BUNDLE_BYTES:
                    self.listed.setdefault(item["Key"], time.time())

    large_is_visible = False


class OtherStore(http.server.ThreadingHTTPServer):
    """Objects under data/slow come at 10 KB/s, all others at once."""
    daemon_threads = True
    request_queue_size = 256  # with Python's 5, connections of one moment wait a second for their second SYN

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Giving)
        self.ending = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass


class Giving(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):  # noqa: N802
        key = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).split("/", 2)[2]
        data = bytes_of(key)
        head = f"HTTP/1.1 200 OK\r\nETag: \"{hashlib.md5(data).hexdigest()}\"\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        if not key.startswith("data/slow"):
            self.wfile.write(head + data)
            return
        self.wfile.write(head)
        for at in range(0, len(data), SLOW_BYTES_PER_S // 10):
            if self.server.ending.wait(0.1):
                self.close_connection = True
                return
            self.wfile.write(data[at:at + SLOW_BYTES_PER_S // 10])

    def log_message(self, *_):
        pass


def bytes_of(key):
    return (key.encode() * 100)[:4096] if not key.startswith("data/slow") else b"slow" * 5_000_000


def put_large(run, size):
    """In parts of 64 MiB, of bytes that compress about as logs do."""
    unit = b"".join(b'{"t":"%d","id":"%s","state":"ok"}\n' % (i, os.urandom(12).hex().encode()) for i in range(18000))
    part = (unit * (PART_BYTES // len(unit) + 1))[:PART_BYTES]
    upload = run.s3.create_multipart_upload(Bucket=LANDING, Key="data/large")["UploadId"]
    parts = []
    for number, at in enumerate(range(0, size, PART_BYTES), 1):
        body = part[:min(PART_BYTES, size - at)]
        etag = run.s3.upload_part(Bucket=LANDING, Key="data/large", UploadId=upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"ETag": etag, "PartNumber": number})
    run.s3.complete_multipart_upload(Bucket=LANDING, Key="data/large", UploadId=upload, MultipartUpload={"Parts": parts})


def put_slowly(run, ending):
    """A PUT of which 1,000 bytes arrive each 100 ms. Presigned, so that the bytes need no signature."""
    signer = boto3.client("s3", endpoint_url=run.server.endpoint, region_name="us-east-1", config=Config(signature_version="s3v4"),
                          aws_access_key_id=run.server.access_key, aws_secret_access_key=run.server.secret_key)
    url = urllib.parse.urlsplit(signer.generate_presigned_url("put_object", Params={"Bucket": LANDING, "Key": "data/slow"}))
    with socket.create_connection((url.hostname, url.port)) as to:
        to.sendall(f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 20000000\r\n\r\n".encode())
        while not ending.wait(0.1):
            to.sendall(b"s" * (SLOW_BYTES_PER_S // 10))


def waits(run, log, count):
    """Milliseconds from due to visible, sorted."""
    when = run.all_visible(count)
    return sorted(when[key] * 1000 - due / 1000 for key, due in log)


def load(run, options):
    """Puts small objects at the rate, and returns [(key, due in µs)]."""
    log = pathlib.Path(run.server.folder) / "load.log"
    run.put(count=options.seconds * options.rate, size=4096, connections=16, rate=options.rate, log=log)
    return [(key, int(due)) for key, due, _ in (line.split() for line in log.read_text(encoding="ascii").splitlines())]


def with_watch(build, *words, **server):
    run = Beside(build, "--batch-window", f"{WINDOW_S}s", *words, **server)
    threading.Thread(target=run.watch, daemon=True).start()
    return run


def nothing(options):
    run = with_watch(options.build)
    log = load(run, options)
    return waits(run, log, len(log)), run.end()


def large(options):
    run = with_watch(options.build)
    putting = threading.Thread(target=put_large, args=(run, options.large))
    putting.start()
    log = load(run, options)
    while putting.is_alive() or not run.large_is_visible:  # what comes later is measured too
        more = load_again(run, options, len(log))
        log += more
    putting.join()
    return waits(run, log, len(log)), run.end()


def load_again(run, options, n_before):
    log = pathlib.Path(run.server.folder) / "load.log"
    run.put(count=options.rate * 10, size=4096, connections=16, rate=options.rate, log=log, prefix=f"data/more-{n_before}-")
    return [(key, int(due)) for key, due, _ in (line.split() for line in log.read_text(encoding="ascii").splitlines())]


def slow_put(options):
    run, ending = with_watch(options.build), threading.Event()
    putting = threading.Thread(target=put_slowly, args=(run, ending))
    putting.start()
    log = load(run, options)
    result = waits(run, log, len(log))
    ending.set()
    putting.join()
    return result, run.end()


def announce(run, key):
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {
        "bucket": {"name": "their-landing"},
        "object": {"key": key, "versionId": "v1", "size": len(bytes_of(key)), "sequencer": "0055AED6DCD90281E5"}}}
    urllib.request.urlopen(urllib.request.Request(
        run.server.endpoint + "/-/events", data=json.dumps({"Records": [record]}).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}), timeout=20).read()


def slow_get(options):
    store = OtherStore()
    os.environ.update(BALER_EVENTS_TOKEN=TOKEN, BALER_LANDING_ACCESS_KEY_ID="their", BALER_LANDING_SECRET_ACCESS_KEY="their")
    try:
        run = with_watch(options.build, "--landing-endpoint", f"http://127.0.0.1:{store.server_port}", "--landing-bucket", "their-landing")
    finally:
        for name in ("BALER_EVENTS_TOKEN", "BALER_LANDING_ACCESS_KEY_ID", "BALER_LANDING_SECRET_ACCESS_KEY"):
            del os.environ[name]
    announce(run, "data/slow")
    log, rate = [], min(options.rate, 100)  # the other store is a Python program
    began = time.time()
    for i in range(options.seconds * rate):
        due = began + i / rate
        time.sleep(max(0, due - time.time()))
        log.append((f"data/small-{i}", due * 1e6))
        announce(run, log[-1][0])
    result = waits(run, log, len(log))
    store.ending.set()
    rss = run.end()
    store.shutdown()
    store.server_close()
    return result, rss


CASES = {"nothing": nothing, "large": large, "slow put": slow_put, "slow get": slow_get}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, help="build folder")
    parser.add_argument("--large", type=int, default=5 << 30, help="bytes of the large object")
    parser.add_argument("--rate", type=int, default=200, help="small objects a second")
    parser.add_argument("--seconds", type=int, default=30, help="how long small objects arrive; beside the large object, until it is visible")
    parser.add_argument("--only", choices=CASES, help="one case")
    options = parser.parse_args()
    if options.large <= OWN_BUNDLE_BYTES * 4:
        parser.error(f"--large is more than {OWN_BUNDLE_BYTES * 4}, because its bundle is known by its size")
    bad = 0
    print(f"{'beside':<12}{'objects':>9}{'p50 ms':>9}{'p99.9 ms':>10}{'most ms':>9}{'RSS MiB':>9}")
    for name, case in CASES.items():
        if options.only and name != options.only:
            continue
        took, rss = case(options)
        p50, p999 = took[len(took) // 2], took[len(took) * 999 // 1000]
        late = p999 > (WINDOW_S + PROMISE_S) * 1000
        bad += late
        print(f"{name:<12}{len(took):>9,}{p50:>9,.0f}{p999:>10,.0f}{took[-1]:>9,.0f}{rss:>9,.0f}{'  late' * late}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
