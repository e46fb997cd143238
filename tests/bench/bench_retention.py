"""bench_retention: what a PUT feels while old data are removed.

A data folder gets OLD small versions and BUNDLES files of BUNDLE_MIB in the distribution bucket. Then a steady load of PUTs runs three times
for SECONDS: beside nothing, beside the retention that removes all of it, and beside nothing again. Prints PUT latencies, how long the
removal took and what it gave back to the file system. The load is an open loop: a PUT that waits counts from when it was due.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import boto3
from botocore.config import Config

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from server import Server  # noqa: E402

DISTRIBUTION = "data-aggregator-distribution-dev"
LANDING = "data-aggregator-landing-dev"


class Bench:
    def __init__(self, build, place):
        os.environ["BALER_BIN"] = str(build / "src/cli/baler")
        self.load = str(build / "tests/bench/load_put")
        self.folder = tempfile.mkdtemp(prefix="bench-retention-", dir=place)
        self.keys = ("bench" + "0" * 12, "secret" + "0" * 30)
        self.server = None

    def start(self, *options):
        self.server = Server("--batch-window", "1h", *options, data=self.folder + "/s", keys=self.keys)

    def stop(self):
        if self.server.stop() != 0:
            raise RuntimeError("baler serve did not stop cleanly:\n" + self.server.log_tail())

    def put(self, **options):
        words = [w for name, value in options.items() for w in (f"--{name}", str(value))]
        environment = dict(os.environ, AWS_ACCESS_KEY_ID=self.keys[0], AWS_SECRET_ACCESS_KEY=self.keys[1])
        out = subprocess.run([self.load, "--port", self.server.endpoint.rsplit(":", 1)[1], *words], env=environment, check=True,
                             text=True, stdout=subprocess.PIPE).stdout
        return json.loads(out)

    def bundles(self, count, mib):
        s3 = boto3.client("s3", endpoint_url=self.server.endpoint, region_name="us-east-1", aws_access_key_id=self.keys[0],
                          aws_secret_access_key=self.keys[1], config=Config(retries={"max_attempts": 1}))
        body = os.urandom(mib << 20)
        for i in range(count):
            s3.put_object(Bucket=DISTRIBUTION, Key=f"old/bundle-{i}", Body=body)

    def disk_mib(self):
        return int(subprocess.run(["du", "-sm", self.folder], capture_output=True, text=True, check=True).stdout.split()[0])

    def file_mib(self, name):
        path = pathlib.Path(self.folder, "s", "data", name)
        return path.stat().st_size / 2**20 if path.exists() else 0


def phase(bench, name, rate, seconds):
    figures = bench.put(count=rate * seconds, rate=rate, size=4096, prefix=f"other/{name.replace(chr(32), chr(45))}-", bucket=LANDING)
    print(f"{name:16s} p50 {figures['p50_ms']:.2f} ms  p99 {figures['p99_ms']:.2f} ms  max {figures['max_ms']:.1f} ms  "
          f"refused {figures['refused']}", flush=True)


def removal_s(bench, began, deadline_s):
    """When the line about what was removed came, after the server's start."""
    while time.time() < began + deadline_s:
        lines = [json.loads(x) for x in bench.server.log_tail().splitlines() if '"event":"retention"' in x]
        done = [x for x in lines if x["versions"] > 1]
        if done:
            print(f"removed          {done[0]['versions']} versions in passes that took {time.time() - began:.0f} s, longest transaction "
                  f"{max(x['longest_ms'] for x in lines)} ms", flush=True)
            return
        time.sleep(0.5)
    raise RuntimeError("retention did not finish:\n" + bench.server.log_tail())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--old", type=int, default=100_000)
    parser.add_argument("--bundles", type=int, default=40)
    parser.add_argument("--bundle-mib", type=int, default=64)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--place", default=None, help="where the data folder is made")
    options = parser.parse_args()
    bench = Bench(options.build.resolve(), options.place)
    try:
        keep = ("--landing-retention", "0", "--distribution-retention", "0")
        bench.start(*keep)
        bench.put(count=options.old, size=4096, prefix="old/", bucket=DISTRIBUTION)
        bench.bundles(options.bundles, options.bundle_mib)
        old_by = time.time()
        print(f"on disk          {bench.disk_mib()} MiB")
        phase(bench, "before", options.rate, options.seconds)
        bench.stop()

        age_s = int(time.time() - old_by) + 5
        time.sleep(5)
        bench.start("--landing-retention", "0", "--distribution-retention", f"{age_s}s")
        began = time.time()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            removal = pool.submit(removal_s, bench, began, 600)
            phase(bench, "while removing", options.rate, options.seconds)
            removal.result()
        bench.stop()

        bench.start(*keep)
        phase(bench, "after", options.rate, options.seconds)
        print(f"on disk          {bench.disk_mib()} MiB, of it the log {bench.file_mib('baler.db-wal'):.0f} MiB")
        bench.stop()
    finally:
        bench.server.process.kill()
        shutil.rmtree(bench.folder)


if __name__ == "__main__":
    main()
