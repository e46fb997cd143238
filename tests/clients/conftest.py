import os
import secrets
import shutil
import socket

import boto3
import pytest
from botocore.config import Config

import drivers
import rawhttp
from server import Server

for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "AWS_CA_BUNDLE", "AWS_PROFILE"):
    os.environ.pop(proxy, None)  # nothing of the user's stands between a test and its server

BATCH_WINDOW = "1s"
DEFAULT_BUCKETS = [f"data-aggregator-{role}-dev" for role in ("landing", "distribution", "archive")]


def pytest_addoption(parser):
    parser.addoption("--endpoint", help="test this server instead of starting baler (keys from the AWS_ variables)")


class Target:
    """Where the tests go, and with which key."""

    def __init__(self, endpoint, access_key, secret_key, ca=None):
        self.endpoint, self.access_key, self.secret_key, self.ca = endpoint, access_key, secret_key, ca
        self.host, port = endpoint.split("://")[1].rsplit(":", 1)
        self.port = int(port)


@pytest.fixture(scope="session")
def target(request):
    given = request.config.getoption("--endpoint")
    if given:
        yield Target(given, os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
        return
    server = Server("--batch-window", BATCH_WINDOW)
    yield Target(server.endpoint, server.access_key, server.secret_key)
    status = server.stop()
    log = server.log_tail()
    shutil.rmtree(server.folder)
    os.unlink(server.log_path)
    assert status == 0, f"baler serve ended with {status} on SIGTERM:\n{log}"


def boto3_client(target, **options):
    config = Config(retries={"max_attempts": 1, "mode": "standard"}, max_pool_connections=32, **options)
    return boto3.session.Session().client(
        "s3", endpoint_url=target.endpoint, region_name="us-east-1", config=config, verify=target.ca,
        aws_access_key_id=target.access_key, aws_secret_access_key=target.secret_key)


@pytest.fixture(scope="session")
def s3(target):
    """boto3. One attempt only: a test must see the server's first answer."""
    return boto3_client(target)


@pytest.fixture(scope="session")
def http(target):
    """HTTP by hand; see rawhttp.py."""
    return rawhttp.Http(target.host, target.port, target.access_key, target.secret_key)


def new_bucket(s3, versioning="Enabled"):
    name = "t-" + secrets.token_hex(8)
    s3.create_bucket(Bucket=name)
    if versioning:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": versioning})
    return name


@pytest.fixture
def bucket(s3):
    """A fresh versioned bucket."""
    return new_bucket(s3)


@pytest.fixture(scope="module")
def module_bucket(s3):
    """A versioned bucket that the tests of one file share, for those that only add keys."""
    return new_bucket(s3)


@pytest.fixture(scope="session")
def clients(target, tmp_path_factory):
    """All drivers by name, made when first asked for."""
    pool = drivers.Pool(target, tmp_path_factory.mktemp("clients"))
    yield pool
    pool.close()


@pytest.fixture(params=drivers.NAMES)
def client(request, clients):
    return clients.get(request.param)


@pytest.fixture
def localhost_names(monkeypatch):
    """Every name under localhost is this machine (RFC 6761), also where the resolver does not know it."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        text = host.decode() if isinstance(host, bytes) else host
        return resolve("127.0.0.1" if text and text.endswith(".localhost") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
