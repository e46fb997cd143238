"""Memory that runs out while an answer is made ends the connection: an answer that lacks a header would be believed."""
import pathlib
import subprocess

import boto3
import pytest
import rawhttp
from botocore.config import Config
from server import Server

HERE = pathlib.Path(__file__).resolve().parent
LANDING = "data-aggregator-landing-dev"


@pytest.fixture
def failing(tmp_path, monkeypatch):
    library = tmp_path / "fail_header.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library, HERE / "fail_header.c"], check=True)

    def start(header):
        monkeypatch.setenv("LD_PRELOAD", str(library))
        monkeypatch.setenv("FAIL_HEADER", header)
        server = Server(data=str(tmp_path))
        monkeypatch.delenv("LD_PRELOAD")
        return server, boto3.client(
            "s3", endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id=server.access_key,
            aws_secret_access_key=server.secret_key, config=Config(retries={"max_attempts": 1, "total_max_attempts": 1}))

    return start


@pytest.mark.parametrize("header", ["x-amz-version-id", "ETag", "x-amz-request-id"])
def test_a_put_is_not_answered_without_its_headers(failing, header):
    server, s3 = failing(header)
    try:
        with pytest.raises(Exception) as caught:
            s3.put_object(Bucket=LANDING, Key="stored/a", Body=b"x")
        assert "closed" in str(caught.value) or "reset" in str(caught.value).lower(), caught.value
    finally:
        assert server.stop() == 0, server.log_tail()


def test_a_tab_in_metadata_comes_back_as_a_blank(tmp_path):
    """libmicrohttpd sends no tab in a header; RFC 9110 section 5.5 lets a blank stand for it."""
    server = Server(data=str(tmp_path))
    try:
        link = rawhttp.Http("127.0.0.1", int(server.endpoint.rsplit(":", 1)[1]), server.access_key, server.secret_key)
        put = link.request("PUT", f"/{LANDING}/stored/t", b"x", [("x-amz-meta-a", "b\tc"), ("x-amz-meta-z", "last")]).sign().send()
        assert put.status == 200
        got = link.request("GET", f"/{LANDING}/stored/t").sign().send()
        assert got.status == 200 and got.body == b"x"
        assert got.headers["x-amz-meta-a"] == "b c" and got.headers["x-amz-meta-z"] == "last"
    finally:
        assert server.stop() == 0
