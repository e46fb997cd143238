#!/usr/bin/env python3
"""bench_original: bundling as a Python function does it, beside baler, on this machine and in one run.

usage: bench_original.py BUILD_DIR [--count N] [--size BYTES] [--workers N]

The Python side is the shape of the pipeline that baler takes the place of: batches of at most 100 events, each object read
by its version over S3 (boto3), written into tarfile 'w:gz', the bundle put with its SHA-256 as metadata. It is given every
advantage: no queue, no ledger, no Lambda start, all objects are there before its clock starts, and the store is baler's own
over loopback. So what it lacks of exactly-once costs it nothing. --workers processes share the batches (default: one a core).

baler is measured twice: with all objects landed as well, from the start of the server to the last object's bundle being listed; and
from the first PUT on, so that it takes the objects in with the same two hands.
"""
import argparse
import concurrent.futures
import hashlib
import io
import os
import pathlib
import tarfile
import threading
import time

import boto3
from bench_serve import BUNDLE_MAX_OBJECTS, DISTRIBUTION, Run, visible

LANDING = "data-aggregator-landing-dev"
BATCH = 100


def client(endpoint, access_key, secret_key):
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=access_key,
                        aws_secret_access_key=secret_key)


def bundle(s3, events, name):
    """One invocation."""
    out = io.BytesIO()
    with tarfile.open(mode="w:gz", fileobj=out) as tar:
        for key, version in events:
            body = s3.get_object(Bucket=LANDING, Key=key, VersionId=version)["Body"].read()
            info = tarfile.TarInfo(key)
            info.size = len(body)
            info.uname = info.gname = "root"
            tar.addfile(info, io.BytesIO(body))
    data = out.getvalue()
    s3.put_object(Bucket=DISTRIBUTION, Key=f"python/{name}", Body=data, ContentType="application/gzip",
                  Metadata={"content-sha256": hashlib.sha256(data).hexdigest()})
    return len(events)


def worker(endpoint, access_key, secret_key, number, batches):
    s3 = client(endpoint, access_key, secret_key)
    return sum(bundle(s3, events, f"{number}-{i}.tar.gz") for i, events in enumerate(batches))


def python(build, count, size, workers):
    """Objects per second. Its objects lie beside the event prefix: baler only stores them."""
    run = Run(build, "--batch-window", "10m")
    run.put(count=count, size=size, connections=64, prefix="python/load-")
    keys = (run.server.endpoint, run.server.access_key, run.server.secret_key)
    pages = client(*keys).get_paginator("list_object_versions").paginate(Bucket=LANDING, Prefix="python/")
    events = [(v["Key"], v["VersionId"]) for page in pages for v in page.get("Versions", [])]
    batches = [events[i:i + BATCH] for i in range(0, len(events), BATCH)]
    with concurrent.futures.ProcessPoolExecutor(workers) as pool:
        list(pool.map(abs, range(workers)))  # the processes are there before the clock starts
        start = time.monotonic()
        shares = [pool.submit(worker, *keys, n, batches[n::workers]) for n in range(workers)]
        done = sum(share.result() for share in shares)
        seconds = time.monotonic() - start
    run.end()
    if done != count:
        raise RuntimeError(f"{done} of {count} objects")
    return count / seconds


def landed(build, count, size):
    """Objects per second of a server that is started when all are in its queue."""
    before = Run(build, "--batch-window", "10m", "--batch-max-objects", str(BUNDLE_MAX_OBJECTS), "--batch-max-bytes", "10GiB")
    before.put(count=count, size=size, connections=64)
    server = before.server
    if server.stop() != 0:
        raise RuntimeError("baler serve did not stop cleanly:\n" + server.log_tail())
    start = time.time()
    run = Run(build, "--batch-window", "100ms", data=server.folder, keys=(server.access_key, server.secret_key))
    threading.Thread(target=run.watch, daemon=True).start()
    when = run.all_visible(count)
    run.end()
    return count / (max(when.values()) - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, help="build folder")
    parser.add_argument("--count", type=int, default=5000, help="objects of the Python side; baler gets ten times as many")
    parser.add_argument("--size", type=int, default=4096, help="bytes an object")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    theirs = python(options.build, options.count, options.size, options.workers)
    print(f"Python function, {options.workers} processes, objects already landed  {theirs:>9,.0f} objects/s", flush=True)
    ours = landed(options.build, options.count * 10, options.size)
    print(f"baler serve, objects already landed                   {ours:>9,.0f} objects/s   {ours / theirs:.1f}x", flush=True)
    ours, _ = visible(options.build, options.count * 10, options.size)
    print(f"baler serve, from PUT to visible bundle               {ours:>9,.0f} objects/s   {ours / theirs:.1f}x")


if __name__ == "__main__":
    main()
