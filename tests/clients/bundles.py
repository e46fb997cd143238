"""A consumer: takes bundles out of the distribution bucket, checks each by itself, and keeps book of what came in which."""
import gzip
import hashlib
import io
import re
import tarfile
import time

BUNDLE_KEY = re.compile(r"\d{4}/\d\d/\d\d/\d\d/bundle-[^/]+\.tar\.gz")


class Consumer:
    def __init__(self, s3, bucket):
        self.s3, self.bucket = s3, bucket
        self.seen = set()
        self.members = {}  # name → [(bundle's key, SHA-256 of the content)], in the order of arrival

    def take(self):
        """Every bundle not seen yet."""
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for entry in page.get("Contents", []):
                if entry["Key"] not in self.seen:
                    self.seen.add(entry["Key"])
                    self._check(entry["Key"])

    def _check(self, key):
        assert BUNDLE_KEY.fullmatch(key), f"{key} is not a bundle's key"
        answer = self.s3.get_object(Bucket=self.bucket, Key=key)
        body = answer["Body"].read()
        assert answer["ContentType"] == "application/gzip" and "ContentEncoding" not in answer
        assert answer["Metadata"]["content-sha256"] == hashlib.sha256(body).hexdigest()
        names = set()
        # "r:" over the whole decompressed stream: gzip's own checksums are verified to the end.
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(body)), mode="r:") as tar:
            for member in tar:
                assert member.isreg() and member.mtime == 0 and (member.uid, member.gid) == (0, 0)
                assert not member.name.startswith("/") and ".." not in member.name.split("/")
                assert member.name not in names, f"{member.name} twice in {key}"
                names.add(member.name)
                digest = hashlib.sha256(tar.extractfile(member).read()).hexdigest()
                self.members.setdefault(member.name, []).append((key, digest))
        assert names, f"{key} is empty"

    def wait_for(self, wanted, give_up_s=40):
        """Until each name has come at least this often: {name: times}."""
        deadline = time.monotonic() + give_up_s
        while True:
            self.take()
            missing = {name for name, times in wanted.items() if len(self.members.get(name, [])) < times}
            if not missing:
                return
            assert time.monotonic() < deadline, f"{len(missing)} of {len(wanted)} did not come in a bundle, as {sorted(missing)[:3]}"
            time.sleep(0.2)

    def below(self, prefix):
        return {name: found for name, found in self.members.items() if name.startswith(prefix)}
