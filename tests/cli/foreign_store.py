"""A store and an aggregator that are not ours: moto's S3 server, and a small bundler in Python that can do one thing wrong."""
import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import threading

import boto3
from botocore.config import Config

LANDING, DISTRIBUTION = "data-aggregator-landing-dev", "data-aggregator-distribution-dev"
WINDOW_S = 0.5


class ForeignStore:
    """moto's server with the two buckets, versioned; any key is let in."""

    def __init__(self):
        self.access_key, self.secret_key = "foreign", "foreign-secret"
        self.process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
                                        stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "Running on http://" in line:
                self.endpoint = line.split("Running on ")[1].split()[0]
                break
        else:
            raise RuntimeError("moto's server did not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()  # or it stands when the pipe is full
        for bucket in (LANDING, DISTRIBUTION):
            self.client().create_bucket(Bucket=bucket)
            self.client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def client(self):
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=self.access_key,
                            aws_secret_access_key=self.secret_key, config=Config(retries={"max_attempts": 3, "mode": "standard"}))

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Aggregator:
    """Looks for new versions under data/ and bundles them, WINDOW_S after the first; wrong: what it does wrong, once."""

    def __init__(self, store, wrong=None):
        self.s3, self.wrong, self.n_bundles = store.client(), wrong, 0
        self.seen = {(v["Key"], v["VersionId"]) for v in self.versions()}
        self.ending, self.failure = threading.Event(), None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def versions(self):
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=LANDING, Prefix="data/")
        return [version for page in pages for version in page.get("Versions", [])]

    def run(self):
        try:
            while not self.ending.wait(0.1):
                if self.new():
                    self.ending.wait(WINDOW_S)
                    self.bundle(self.new())
        except Exception as failure:  # told by close()
            self.failure = failure

    def new(self):
        return [v for v in self.versions() if (v["Key"], v["VersionId"]) not in self.seen]

    def takes_wrong(self, what):
        if self.wrong != what:
            return False
        self.wrong = None
        return True

    def bundle(self, versions):
        """The oldest version of each key; another waits for the next bundle."""
        versions = list({v["Key"]: v for v in versions}.values())
        self.seen |= {(v["Key"], v["VersionId"]) for v in versions}
        if self.takes_wrong("loses one"):
            versions.pop()
        members = [(v["Key"], self.s3.get_object(Bucket=LANDING, Key=v["Key"], VersionId=v["VersionId"])["Body"].read())
                   for v in versions]
        if self.takes_wrong("changes a byte"):
            members[0] = (members[0][0], bytes([members[0][1][0] ^ 1]) + members[0][1][1:])
        if self.takes_wrong("ships something extra"):
            members.append(("data/stray.txt", b"nobody put this in"))
        if self.takes_wrong("publishes an empty bundle"):
            self.publish([])
        if self.takes_wrong("ships one twice"):
            self.publish(members[:1])
        self.publish(members)

    def publish(self, members):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, body in members:
                info = tarfile.TarInfo(name)
                info.size = len(body)
                tar.addfile(info, io.BytesIO(body))
        packed = gzip.compress(out.getvalue(), 1)
        digest = hashlib.sha256(packed).hexdigest()
        if self.takes_wrong("lies about the hash"):
            digest = "0" * 64
        self.n_bundles += 1
        self.s3.put_object(Bucket=DISTRIBUTION, Key=f"2026/01/01/00/bundle-{id(self):x}-{self.n_bundles:04d}.tar.gz", Body=packed,
                           ContentType="application/gzip", Metadata={"content-sha256": digest})

    def close(self):
        self.ending.set()
        self.thread.join()
        if self.failure:
            raise self.failure
