"""What every client must be able to do, whatever it sends on the wire."""
import filecmp
import hashlib
import os
import pathlib
import secrets

import pytest

MIB = 1 << 20

ODD_NAMES = ["plain.txt", "with space.txt", "plus+plus.txt", "percent%20.txt", "percent%2Fslash.txt", "amp&eq=at@.txt",
             "quote'.txt", "angle<b>.txt", "hash#question?.txt", "semi;colon,comma.txt", "ümläut.txt", "emoji-🎉.txt",
             "(paren)!*~$.txt", "sub folder/deep+er/leaf.txt", "empty.bin"]


def sha256_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(folder):
    return {p.relative_to(folder).as_posix(): p for p in pathlib.Path(folder).rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def odd_tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    for name in ODD_NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty.bin" else name.encode() + secrets.token_bytes(200))
    return folder


@pytest.fixture(scope="module")
def large_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "large.bin"
    path.write_bytes(os.urandom(100 * MIB))
    return path, sha256_of(path)


def test_a_tree_of_odd_names_goes_in_and_comes_back(client, s3, bucket, odd_tree, tmp_path):
    client.put_tree(bucket, "in/", odd_tree)
    listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(("in/" + name for name in ODD_NAMES), key=str.encode)
    assert sorted(client.keys(bucket, "in/")) == sorted(listed)
    client.get_tree(bucket, "in/", tmp_path)
    assert set(files_below(tmp_path)) == set(ODD_NAMES)
    _, different, unreadable = filecmp.cmpfiles(odd_tree, tmp_path, ODD_NAMES, shallow=False)
    assert not different and not unreadable


def test_one_object_put_replaced_and_deleted(client, s3, bucket, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    for text in (b"first", b"second " * 1000):
        source.write_bytes(text)
        client.put(bucket, "folder/one object.txt", source)
        client.get(bucket, "folder/one object.txt", back)
        assert back.read_bytes() == text
        back.unlink()
    client.delete(bucket, "folder/one object.txt")
    assert client.keys(bucket, "folder/") == []
    found = s3.list_object_versions(Bucket=bucket)
    assert len(found["Versions"]) == 2 and len(found["DeleteMarkers"]) == 1


def test_multipart_of_100_mb(client, s3, bucket, large_file, tmp_path):
    path, sha256 = large_file
    client.put(bucket, "large.bin", path)
    head = s3.head_object(Bucket=bucket, Key="large.bin")
    assert head["ContentLength"] == 100 * MIB
    assert head["ETag"].strip('"').endswith("-13"), "not uploaded in 13 parts of 8 MiB"
    client.get(bucket, "large.bin", tmp_path / "back")
    assert sha256_of(tmp_path / "back") == sha256
    (tmp_path / "back").unlink()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize("kind", ["string", "buffer", "stream"])
@pytest.mark.parametrize("text", ["", "short", "größer " * 20000], ids=["empty", "short", "160 KB"])
def test_javascript_bodies(clients, bucket, kind, text):
    """A Readable goes as aws-chunked with a trailing checksum, in chunks as small as its writes."""
    javascript = clients.get("javascript")
    javascript.call("putText", bucket=bucket, key="k", text=text, kind=kind, pieceBytes=997)
    assert javascript.call("getText", bucket=bucket, key="k") == {"text": text, "encoding": None}


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_javascript_stream_with_each_checksum(clients, s3, bucket, algorithm):
    javascript = clients.get("javascript")
    javascript.call("putText", bucket=bucket, key="k", text="stream " * 999, kind="stream", pieceBytes=64, algorithm=algorithm)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["Checksum" + algorithm] and head["ContentLength"] == 7 * 999


def test_javascript_virtual_host(clients, bucket):
    """bucket.localhost:PORT."""
    javascript = clients.get("javascript")
    for kind in ("buffer", "stream"):
        javascript.call("putText", bucket=bucket, key=f"by host/{kind}", text="x" * 5000, kind=kind, pieceBytes=512, host=True)
    assert javascript.call("keysByHost", bucket=bucket, prefix="by host/") == ["by host/buffer", "by host/stream"]
    assert javascript.call("getText", bucket=bucket, key="by host/stream", host=True)["text"] == "x" * 5000


def test_awscli_sync_and_s3api(clients, bucket, odd_tree, tmp_path):
    awscli = clients.get("awscli")
    awscli.s3("sync", "--quiet", odd_tree, f"s3://{bucket}/s/")
    assert awscli.s3("sync", odd_tree, f"s3://{bucket}/s/") == "", "a second sync found something to do"
    key = "data/a/../b//c d+e%2Ff/🎉"
    (tmp_path / "body").write_bytes(b"odd")
    awscli.s3api("put-object", "--bucket", bucket, "--key", key, "--body", tmp_path / "body", "--checksum-algorithm", "SHA256")
    awscli.s3api("get-object", "--bucket", bucket, "--key", key, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"odd"


def test_rclone_check_finds_no_difference(clients, bucket, odd_tree):
    rclone = clients.get("rclone")
    rclone.put_tree(bucket, "c", odd_tree)
    rclone.run("rclone", "check", "--download", odd_tree, f"it:{bucket}/c")


def test_rclone_and_s3cmd_make_buckets(clients, s3):
    names = {"r-" + secrets.token_hex(6), "s-" + secrets.token_hex(6)}
    for name in names:
        if name.startswith("r-"):
            clients.get("rclone").run("rclone", "mkdir", f"it:{name}")
        else:
            clients.get("s3cmd").s3cmd("mb", f"s3://{name}")
    assert names <= {b["Name"] for b in s3.list_buckets()["Buckets"]}
    listed = clients.get("s3cmd").run("s3cmd", "-c", clients.get("s3cmd").config, "ls")
    assert all(name in listed for name in names)
