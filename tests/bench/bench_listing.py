"""bench_listing: what a LIST of the distribution bucket costs after TAKEN bundles were taken out of it, and what PUTs feel of it.

    list      server CPU of one LIST of a bucket that holds nothing (any more), on a fresh bucket and after TAKEN objects were put and
              deleted by their keys, which leaves a version and a delete marker of each
    puts      PUTs per second into the landing bucket, alone and beside LISTERS clients that list without a pause
"""
import argparse
import http.client
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import boto3
from botocore.config import Config

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from server import Server  # noqa: E402

DISTRIBUTION = "data-aggregator-distribution-dev"


class Bench:
    def __init__(self, build):
        os.environ["BALER_BIN"] = str(build / "src/cli/baler")
        self.load = str(build / "tests/bench/load_put")
        self.server = Server("--batch-window", "1h")
        self.address = self.server.endpoint.removeprefix("http://")
        self.s3 = boto3.client("s3", endpoint_url=self.server.endpoint, region_name="us-east-1",
                               aws_access_key_id=self.server.access_key, aws_secret_access_key=self.server.secret_key,
                               config=Config(signature_version="s3v4", retries={"max_attempts": 1}))
        url = self.s3.generate_presigned_url("list_objects_v2", {"Bucket": DISTRIBUTION}, ExpiresIn=3600)
        self.target = url.removeprefix(self.server.endpoint)

    def put(self, **options):
        words = [w for name, value in options.items() for w in (f"--{name}", str(value))]
        environment = dict(os.environ, AWS_ACCESS_KEY_ID=self.server.access_key, AWS_SECRET_ACCESS_KEY=self.server.secret_key)
        out = subprocess.run([self.load, "--port", self.address.rsplit(":", 1)[1], *words], env=environment, check=True,
                             text=True, stdout=subprocess.PIPE).stdout
        return json.loads(out)

    def cpu_s(self):
        with open(f"/proc/{self.server.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def lists(self, seconds, stop=None):
        """(LISTs, seconds of server CPU) of one client that lists without a pause."""
        connection, count, begun = http.client.HTTPConnection(self.address), 0, self.cpu_s()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (stop and stop.is_set()):
            connection.request("GET", self.target)
            answer = connection.getresponse()
            if answer.status != 200 or b"<KeyCount>0</KeyCount>" not in answer.read():
                raise RuntimeError("the LIST failed")
            count += 1
        return count, self.cpu_s() - begun

    def take(self, count):
        self.put(bucket=DISTRIBUTION, count=count, prefix="taken/bundle-", size=1)
        while True:
            keys = [{"Key": o["Key"]} for o in self.s3.list_objects_v2(Bucket=DISTRIBUTION).get("Contents", [])]
            if not keys:
                return
            self.s3.delete_objects(Bucket=DISTRIBUTION, Delete={"Objects": keys, "Quiet": True})

    def puts_beside(self, listers, count, number):
        stop = threading.Event()
        threads = [threading.Thread(target=self.lists, args=(600, stop)) for _ in range(listers)]
        for thread in threads:
            thread.start()
        try:
            return self.put(count=count, prefix=f"other/{number}-", connections=8)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--taken", type=int, default=100000)
    parser.add_argument("--listers", type=int, default=2)
    parser.add_argument("--puts", type=int, default=10000)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    bench = Bench(options.build)
    try:
        for taken in (0, options.taken):
            if taken:
                bench.take(taken)
                time.sleep(3)  # the checkpoint
            count, cpu = bench.lists(options.seconds)
            alone = bench.puts_beside(0, options.puts, f"{taken}-alone")
            beside = bench.puts_beside(options.listers, options.puts, f"{taken}-beside")
            print(f"after {taken} taken: {cpu / max(count, 1) * 1e3:.3f} ms of CPU a LIST;"
                  f" {alone['puts_per_s']:.0f} PUT/s alone, {beside['puts_per_s']:.0f} beside {options.listers} that list")
    finally:
        bench.server.stop()


if __name__ == "__main__":
    main()
