"""Five foreign S3 clients behind one small interface, each used the way its users use it.

put, get, delete: one object. put_tree, get_tree: a folder, in one go. keys: what a listing gives. All paths are local files.
"""
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
from boto3.s3.transfer import TransferConfig

HERE = pathlib.Path(__file__).resolve().parent
CALL_S = 120
MIB = 1 << 20
PART_BYTES = 8 * MIB


class Boto3:
    name = "boto3"

    def __init__(self, target, _folder):
        self.s3 = boto3.session.Session().client(
            "s3", endpoint_url=target.endpoint, region_name="us-east-1", verify=target.ca,
            aws_access_key_id=target.access_key, aws_secret_access_key=target.secret_key)
        self.transfer = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4)

    def put(self, bucket, key, path):
        self.s3.upload_file(str(path), bucket, key, Config=self.transfer)

    def get(self, bucket, key, path):
        self.s3.download_file(bucket, key, str(path), Config=self.transfer)

    def delete(self, bucket, key):
        self.s3.delete_object(Bucket=bucket, Key=key)

    def keys(self, bucket, prefix):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def put_tree(self, bucket, prefix, folder):
        files = [p for p in pathlib.Path(folder).rglob("*") if p.is_file()]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda p: self.put(bucket, prefix + p.relative_to(folder).as_posix(), p), files))

    def get_tree(self, bucket, prefix, folder):
        for key in self.keys(bucket, prefix):
            path = pathlib.Path(folder) / key[len(prefix):]
            path.parent.mkdir(parents=True, exist_ok=True)
            self.get(bucket, key, path)


class Command:
    """A client that is a program; its environment is its own, whatever the user's files say."""

    def run(self, *command):
        done = subprocess.run(list(map(str, command)), env=self.environment, capture_output=True, timeout=CALL_S, check=False)
        if done.returncode:
            raise AssertionError(f"{' '.join(map(str, command))}: status {done.returncode}\n"
                                 + (done.stderr or done.stdout).decode(errors="replace")[-2000:])
        return done.stdout.decode()


class AwsCli(Command):
    name = "awscli"

    def __init__(self, target, _folder):
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8", "AWS_ENDPOINT_URL": target.endpoint,
            "AWS_ACCESS_KEY_ID": target.access_key, "AWS_SECRET_ACCESS_KEY": target.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1",
            # boto3 signs with the C library awscrt here; awscli keeps botocore's own signer, as most installations do.
            "BOTO_DISABLE_CRT": "true"}
        if target.ca:
            self.environment["AWS_CA_BUNDLE"] = target.ca
        self.aws = str(pathlib.Path(sys.executable).parent / "aws")

    def s3(self, *arguments):
        return self.run(sys.executable, self.aws, "s3", *arguments)

    def s3api(self, *arguments):
        return self.run(sys.executable, self.aws, "s3api", *arguments)

    def put(self, bucket, key, path):
        self.s3("cp", "--quiet", path, f"s3://{bucket}/{key}")

    def get(self, bucket, key, path):
        self.s3("cp", "--quiet", f"s3://{bucket}/{key}", path)

    def delete(self, bucket, key):
        self.s3("rm", "--quiet", f"s3://{bucket}/{key}")

    def keys(self, bucket, prefix):
        found = json.loads(self.s3api("list-objects-v2", "--bucket", bucket, "--prefix", prefix) or "{}")
        return [entry["Key"] for entry in found.get("Contents", [])]

    def put_tree(self, bucket, prefix, folder):
        self.s3("cp", "--quiet", "--recursive", folder, f"s3://{bucket}/{prefix}")

    def get_tree(self, bucket, prefix, folder):
        self.s3("cp", "--quiet", "--recursive", f"s3://{bucket}/{prefix}", folder)


class Rclone(Command):
    name = "rclone"

    def __init__(self, target, _folder):
        settings = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": target.endpoint, "REGION": "us-east-1",
                    "FORCE_PATH_STYLE": "true", "ACCESS_KEY_ID": target.access_key,
                    "SECRET_ACCESS_KEY": target.secret_key, "UPLOAD_CUTOFF": "16M", "CHUNK_SIZE": "8M"}
        self.environment = {f"RCLONE_CONFIG_IT_{k}": v for k, v in settings.items()}
        self.environment |= {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "RCLONE_CONFIG": "/dev/null",
                             "RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "1", "RCLONE_TRANSFERS": "8"}
        if target.ca:
            self.environment["RCLONE_CA_CERT"] = target.ca

    def put(self, bucket, key, path):
        self.run("rclone", "copyto", path, f"it:{bucket}/{key}")

    def get(self, bucket, key, path):
        self.run("rclone", "copyto", f"it:{bucket}/{key}", path)

    def delete(self, bucket, key):
        self.run("rclone", "deletefile", f"it:{bucket}/{key}")

    def keys(self, bucket, prefix):
        found = json.loads(self.run("rclone", "lsjson", "-R", "--files-only", f"it:{bucket}/{prefix}"))
        return [prefix + entry["Path"] for entry in found]

    def put_tree(self, bucket, prefix, folder):
        self.run("rclone", "copy", folder, f"it:{bucket}/{prefix}")

    def get_tree(self, bucket, prefix, folder):
        self.run("rclone", "copy", f"it:{bucket}/{prefix}", folder)


class S3cmd(Command):
    name = "s3cmd"

    def __init__(self, target, folder):
        place = target.endpoint.split("://")[1]
        self.config = folder / "s3cfg"
        self.config.write_text(
            f"[default]\naccess_key = {target.access_key}\nsecret_key = {target.secret_key}\n"
            f"host_base = {place}\nhost_bucket = {place}\nuse_https = {bool(target.ca)}\nencoding = UTF-8\n"
            f"ca_certs_file = {target.ca or ''}\n"
            f"multipart_chunk_size_mb = {PART_BYTES // MIB}\nmax_retries = 1\n")
        self.environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}

    def s3cmd(self, *arguments):
        return self.run("s3cmd", "-c", self.config, "--no-progress", "--quiet", *arguments)

    def put(self, bucket, key, path):
        self.s3cmd("put", path, f"s3://{bucket}/{key}")

    def get(self, bucket, key, path):
        self.s3cmd("get", "--force", f"s3://{bucket}/{key}", path)

    def delete(self, bucket, key):
        self.s3cmd("del", f"s3://{bucket}/{key}")

    def keys(self, bucket, prefix):
        lines = self.run("s3cmd", "-c", self.config, "ls", "--recursive", f"s3://{bucket}/{prefix}").splitlines()
        return [line.split(f"s3://{bucket}/", 1)[1] for line in lines]

    def put_tree(self, bucket, prefix, folder):
        self.s3cmd("put", "--recursive", f"{folder}/", f"s3://{bucket}/{prefix}")

    def get_tree(self, bucket, prefix, folder):
        self.s3cmd("get", "--recursive", "--force", f"s3://{bucket}/{prefix}", f"{folder}/")


class JavaScript:
    """One node process that takes a command a line and answers with a line."""
    name = "javascript"

    def __init__(self, target, _folder):
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ENDPOINT": target.endpoint,
                       "ACCESS_KEY": target.access_key, "SECRET_KEY": target.secret_key, "NODE_NO_WARNINGS": "1"}
        if target.ca:
            environment["NODE_EXTRA_CA_CERTS"] = target.ca
        self.process = subprocess.Popen(["node", str(HERE / "js/driver.mjs")], env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answers = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put(None)

    def call(self, command, **arguments):
        self.process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.answers.get(timeout=CALL_S)
        assert line, "the node process ended"
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(f"{command}: {answer['error']}")
        return answer["result"]

    def put(self, bucket, key, path):
        self.call("put", bucket=bucket, key=key, path=str(path), partBytes=PART_BYTES)

    def get(self, bucket, key, path):
        self.call("get", bucket=bucket, key=key, path=str(path))

    def delete(self, bucket, key):
        self.call("delete", bucket=bucket, key=key)

    def keys(self, bucket, prefix):
        return self.call("keys", bucket=bucket, prefix=prefix)

    def put_tree(self, bucket, prefix, folder):
        self.call("putTree", bucket=bucket, prefix=prefix, folder=str(folder))

    def get_tree(self, bucket, prefix, folder):
        self.call("getTree", bucket=bucket, prefix=prefix, folder=str(folder))

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


DRIVERS = {driver.name: driver for driver in (Boto3, AwsCli, JavaScript, Rclone, S3cmd)}
NAMES = list(DRIVERS)


class Pool:
    """Each driver once a session."""

    def __init__(self, target, folder):
        self.target, self.folder, self.made = target, folder, {}

    def get(self, name):
        if name not in self.made:
            self.made[name] = DRIVERS[name](self.target, self.folder)
        return self.made[name]

    def close(self):
        for driver in self.made.values():
            getattr(driver, "close", lambda: None)()
