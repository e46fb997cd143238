"""bench_serve: what `baler serve` does on this machine, load generator included.

    puts      durable 4 KiB PUTs per second through the gateway: outside the event prefix, and below it, where each commits its event
              too. Nothing is bundled meanwhile: the window is 10 minutes, and a bundle may hold more objects than a run puts
    visible   objects per second from the first PUT to the last object's bundle being listed
    latency   PUT due → bundle listed, at a steady 500 objects/s, less than the batching window's share shown apart

Every figure is the median of RUNS runs, each on a fresh data folder; peak RSS is the server's largest VmHWM of all runs.
"""
import argparse
import collections
import io
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tarfile
import threading
import time

import boto3
from botocore.config import Config

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from server import Server  # noqa: E402

DISTRIBUTION = "data-aggregator-distribution-dev"
POLL_S = 0.05
LOAD = None  # the load generator; None: the one of the build that is measured


class Run:
    """One server, one load, and when each bundle was first listed."""

    def __init__(self, build, *options, **server):
        os.environ["BALER_BIN"] = str(build / "src/cli/baler")
        self.load = str(LOAD or build / "tests/bench/load_put")
        self.server = Server(*options, **server)
        self.port = self.server.endpoint.rsplit(":", 1)[1]
        self.s3 = boto3.client(
            "s3", endpoint_url=self.server.endpoint, region_name="us-east-1", aws_access_key_id=self.server.access_key,
            aws_secret_access_key=self.server.secret_key, config=Config(retries={"max_attempts": 1}))
        self.listed = {}
        self.stopping = threading.Event()

    def put(self, **options):
        words = [w for name, value in options.items() for w in (f"--{name}", str(value))]
        environment = dict(os.environ, AWS_ACCESS_KEY_ID=self.server.access_key,
                           AWS_SECRET_ACCESS_KEY=self.server.secret_key)
        out = subprocess.run([self.load, "--port", self.port, *words], env=environment, check=True, text=True,
                             stdout=subprocess.PIPE).stdout
        return json.loads(out)

    def list_new(self):
        token = {}
        while True:
            page = self.s3.list_objects_v2(Bucket=DISTRIBUTION, **token)
            now = time.time()
            for item in page.get("Contents", []):
                self.listed.setdefault(item["Key"], now)
            if not page["IsTruncated"]:
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def watch(self):
        while not self.stopping.is_set():
            self.list_new()
            time.sleep(POLL_S)

    def members(self, known):
        """{source key: when its bundle was listed}; every member of every bundle, each exactly once."""
        for bundle, when in list(self.listed.items()):
            if bundle in known["bundles"]:
                continue
            known["bundles"].add(bundle)
            body = self.s3.get_object(Bucket=DISTRIBUTION, Key=bundle)["Body"]
            with tarfile.open(fileobj=io.BytesIO(body.read()), mode="r:gz") as tar:
                for member in tar:
                    known["when"][member.name] = when
                    known["times"][member.name] += 1

    def all_visible(self, count, timeout_s=120):
        known = {"bundles": set(), "when": {}, "times": collections.Counter()}
        deadline = time.time() + timeout_s
        while len(known["when"]) < count:
            if time.time() > deadline:
                raise RuntimeError(f"only {len(known['when'])} of {count} objects in bundles after {timeout_s} s")
            time.sleep(POLL_S)
            if len(self.listed) > len(known["bundles"]):
                self.members(known)
        if set(known["times"].values()) != {1}:
            raise RuntimeError("an object is in two bundles")
        return known["when"]

    def peak_rss_mib(self):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text(encoding="ascii")
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024

    def end(self):
        self.stopping.set()
        rss = self.peak_rss_mib()
        if self.server.stop() != 0:
            raise RuntimeError("baler serve did not stop cleanly:\n" + self.server.log_tail())
        shutil.rmtree(self.server.folder)
        os.unlink(self.server.log_path)
        return rss


BUNDLE_MAX_OBJECTS = 100_000


def puts(build, count, prefix):
    run = Run(build, "--batch-window", "10m", "--batch-max-objects", str(BUNDLE_MAX_OBJECTS), "--batch-max-bytes", "10GiB")
    figures = run.put(count=count, size=4096, connections=64, prefix=prefix)
    run.list_new()
    if run.listed:
        raise RuntimeError("something was bundled meanwhile")
    return figures["puts_per_s"], run.end()


def visible(build, count, size=4096):
    run = Run(build, "--batch-window", "1s")
    threading.Thread(target=run.watch, daemon=True).start()
    start = time.time()
    run.put(count=count, size=size, connections=64)
    when = run.all_visible(count)
    return count / (max(when.values()) - start), run.end()


def latency(build, seconds, rate=500, window="1s"):
    run = Run(build, "--batch-window", window)
    threading.Thread(target=run.watch, daemon=True).start()
    log = pathlib.Path(run.server.folder) / "load.log"
    run.put(count=seconds * rate, size=4096, connections=16, rate=rate, log=log)
    when = run.all_visible(seconds * rate)
    took = sorted(when[key] * 1000 - int(due) / 1000 for key, due, _ in
                  (line.split() for line in log.read_text(encoding="ascii").splitlines()))
    return took[len(took) // 2], took[len(took) * 99 // 100], run.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, help="build folder")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--count", type=int, default=40000, help="objects a run")
    parser.add_argument("--seconds", type=int, default=15, help="of the latency run")
    options = parser.parse_args()
    if not 0 < options.count < BUNDLE_MAX_OBJECTS:
        parser.error(f"--count is 1 to {BUNDLE_MAX_OBJECTS - 1}")

    rss = 0.0
    for prefix, what in (("stored/", "only stored"), ("data/", "each with its event")):
        rates = []
        for _ in range(options.runs):
            rate, peak = puts(options.build, options.count, prefix + "load-")
            rates.append(rate)
            rss = max(rss, peak)
        print(f"durable 4 KiB PUTs through the gateway      {statistics.median(rates):>9,.0f} /s   ({what})", flush=True)
    rates = []
    for _ in range(options.runs):
        rate, peak = visible(options.build, options.count)
        rates.append(rate)
        rss = max(rss, peak)
    print(f"4 KiB objects from PUT to visible bundle    {statistics.median(rates):>9,.0f} /s   (window 1 s)", flush=True)
    p50s, p99s = [], []
    for _ in range(options.runs):
        p50, p99, peak = latency(options.build, options.seconds)
        p50s.append(p50)
        p99s.append(p99)
        rss = max(rss, peak)
    print(f"PUT to visible at 500 objects/s, p50        {statistics.median(p50s):>9,.0f} ms   (window 1 s)")
    print(f"PUT to visible at 500 objects/s, p99        {statistics.median(p99s):>9,.0f} ms")
    print(f"peak RSS of the server over all runs        {rss:>9,.0f} MiB")


if __name__ == "__main__":
    main()
