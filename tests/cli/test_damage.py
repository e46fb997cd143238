"""One bit that the disk did not keep, in each kind of stored body, read by every path: nothing is given as if it were whole,
all is named, and everything else goes on."""
import http.client
import json
import time
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from consuming import DISTRIBUTION, LANDING, World

OTHER = "other"
BLOCK = 65536
PART = 5 << 20


def text(name, size, at=None):
    """Bytes of which no 16 are anywhere else, but for a mark where the bit will flip."""
    mark = f"<mark of {name}>".encode()
    body = b"".join(b"%s %07d;" % (name.encode(), i) for i in range(size // (len(name) + 9) + 1))[:size]
    at = size // 2 if at is None else at
    return body[:at] + mark + body[at + len(mark):]


# name: (size, where the bit flips)
BODIES = {
    "row": (1000, 500),                      # in its row
    "rows": (120000, 110000),                # in a row over many pages
    "first": (300000, 10),                   # in the first block of a file
    "late": (300000, 3 * BLOCK + 5),         # in the fourth
}
PARTS = [("p1", PART, 2 * BLOCK + 9), ("p2", PART, 100), ("p3", 1000, 100)]


def flip(folder, name):
    """One bit, in whatever files below the folder have the mark."""
    mark = f"<mark of {name}>".encode()
    found = 0
    for path in [folder / "baler.db", *sorted((folder / "blobs").rglob("*"))]:
        if not path.is_file():
            continue
        data = bytearray(path.read_bytes())
        at = data.find(mark)
        if at >= 0:
            data[at + 3] ^= 4
            path.write_bytes(data)
            found += 1
    assert found, f"{name} is nowhere"


class Folder:
    """A data folder over several servers."""

    def __init__(self, path):
        self.path, self.world = path, None

    def start(self, *options):
        self.world = World(self.path, *options)
        return self.world

    def stop(self):
        self.world.close()

    @property
    def data(self):
        return self.path / "data"


def make_parts(s3, key, names=PARTS):
    upload = s3.create_multipart_upload(Bucket=OTHER, Key=key)["UploadId"]
    done = [{"PartNumber": i + 1, "ETag": s3.upload_part(Bucket=OTHER, Key=key, UploadId=upload, PartNumber=i + 1,
                                                          Body=text(key + name, size, at))["ETag"]}
            for i, (name, size, at) in enumerate(names)]
    return upload, done


@pytest.fixture(scope="module", name="folder")
def a_folder_with_a_flipped_bit_in_each_body(tmp_path_factory):
    folder = Folder(tmp_path_factory.mktemp("damage") / "s")
    world = folder.start("--batch-window", "1h")
    world.s3.create_bucket(Bucket=OTHER)
    for name, (size, at) in BODIES.items():
        world.s3.put_object(Bucket=OTHER, Key=name, Body=text(name, size, at))
        world.put(f"data/{name}", text("l-" + name, size, at))
    for i in range(5):
        world.put(f"data/good{i}", text(f"good{i}", 1000 if i % 2 else 200000))
    for i, (name, _, _) in enumerate(PARTS):
        upload, parts = make_parts(world.s3, f"m{i + 1}")
        world.s3.complete_multipart_upload(Bucket=OTHER, Key=f"m{i + 1}", UploadId=upload, MultipartUpload={"Parts": parts})
    folder.upload = make_parts(world.s3, "unfinished")
    folder.stop()
    for name in BODIES:
        flip(folder.data, name)
        flip(folder.data, "l-" + name)
    for i, (name, _, _) in enumerate(PARTS):
        flip(folder.data, f"m{i + 1}{name}")
    flip(folder.data, "unfinishedp2")
    folder.start()
    yield folder
    folder.stop()


def raw_get(world, key, **headers):
    """(status, the bytes that came, whether all of them came)."""
    signer = boto3.client("s3", endpoint_url=world.server.endpoint, region_name="us-east-1",
                          aws_access_key_id=world.server.access_key, aws_secret_access_key=world.server.secret_key,
                          config=Config(signature_version="s3v4"))
    url = signer.generate_presigned_url("get_object", Params={"Bucket": OTHER, "Key": key})
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            try:
                return answer.status, answer.read(), True
            except http.client.IncompleteRead as cut:
                return answer.status, cut.partial, False
    except urllib.error.HTTPError as refused:
        body = refused.read()
        assert b"<Code>InternalError</Code>" in body, body
        return refused.code, b"", False


def whole(key):
    if key in BODIES:
        return text(key, *BODIES[key])
    return b"".join(text(key + name, size, at) for name, size, at in PARTS)


P2, P3 = PART, 2 * PART


@pytest.mark.parametrize("key, span, status, given", [
    ("row", None, 500, 0),
    ("row", (0, 9), 500, 0),
    ("rows", None, 500, 0),
    ("rows", (0, 9), 500, 0),
    ("first", None, 500, 0),
    ("first", (0, 5), 500, 0),
    ("first", (65535, 70000), 500, 0),
    ("first", (65536, 299999), 206, None),
    ("first", (200000, 200009), 206, None),
    ("late", None, 200, 3 * BLOCK),
    ("late", (0, 3 * BLOCK - 1), 206, None),
    ("late", (3 * BLOCK - 10, 3 * BLOCK), 206, 10),
    ("late", (3 * BLOCK + 100, 3 * BLOCK + 200), 500, 0),
    ("late", (4 * BLOCK, 299999), 206, None),
    ("m1", None, 200, 2 * BLOCK),
    ("m1", (P2, P3 + 999), 206, None),
    ("m2", None, 200, P2),
    ("m2", (P2, P2 + 1), 500, 0),
    ("m2", (P2 - 5, P2 + 5), 206, 5),
    ("m2", (P2 + BLOCK, P3 + 999), 206, None),
    ("m3", None, 500, 0),        # its last part lies in a row, which is read with the version
])
def test_a_get_gives_no_byte_of_a_damaged_block(folder, key, span, status, given):
    headers = {"Range": "bytes=%d-%d" % span} if span else {}
    first, last = span or (0, len(whole(key)) - 1)
    want = whole(key)[first:last + 1]
    code, body, complete = raw_get(folder.world, key, **headers)
    assert (code, len(body), complete) == (status, len(want) if given is None else given, given is None)
    assert body == want[:len(body)]


@pytest.mark.parametrize("key", ["row", "rows", "first", "m3"])
def test_a_head_is_answered_as_its_get_would_be(folder, key):
    with pytest.raises(ClientError) as refused:
        folder.world.s3.head_object(Bucket=OTHER, Key=key)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


@pytest.mark.parametrize("key", [*BODIES, "m1", "m2", "m3"])
def test_a_copy_of_it_is_refused_and_makes_nothing(folder, key):
    s3 = folder.world.s3
    source = {"Bucket": OTHER, "Key": key}
    with pytest.raises(ClientError, match="InternalError"):
        s3.copy_object(Bucket=OTHER, Key="copy-" + key, CopySource=source)
    upload = s3.create_multipart_upload(Bucket=OTHER, Key="copy-" + key)["UploadId"]
    with pytest.raises(ClientError, match="InternalError"):
        s3.upload_part_copy(Bucket=OTHER, Key="copy-" + key, UploadId=upload, PartNumber=1, CopySource=source)
    assert "Parts" not in s3.list_parts(Bucket=OTHER, Key="copy-" + key, UploadId=upload)
    s3.abort_multipart_upload(Bucket=OTHER, Key="copy-" + key, UploadId=upload)
    assert "copy-" + key not in [o["Key"] for o in s3.list_objects_v2(Bucket=OTHER)["Contents"]]


def test_a_sound_range_of_it_can_be_copied(folder):
    s3 = folder.world.s3
    upload = s3.create_multipart_upload(Bucket=OTHER, Key="piece")["UploadId"]
    part = s3.upload_part_copy(Bucket=OTHER, Key="piece", UploadId=upload, PartNumber=1,
                               CopySource={"Bucket": OTHER, "Key": "late"}, CopySourceRange=f"bytes=1-{3 * BLOCK - 1}")
    s3.complete_multipart_upload(Bucket=OTHER, Key="piece", UploadId=upload, MultipartUpload={
        "Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]})
    assert s3.get_object(Bucket=OTHER, Key="piece")["Body"].read() == whole("late")[1:3 * BLOCK]


def test_bundling_sets_them_aside_and_ships_the_others(folder):
    world = folder.world
    world.wait_until_quiet(5)
    assert sorted(n for key in world.keys() for n in world.members(key)) == [f"data/good{i}" for i in range(5)]
    until = time.monotonic() + 20
    dead = []
    while len(dead) < len(BODIES) and time.monotonic() < until:
        dead = json.loads(world.baler("deadletter", "list", "--json").stdout)
        dead = dead["dead_letters"] if isinstance(dead, dict) else dead
        time.sleep(0.1)
    assert len(dead) == len(BODIES) and {d["code"] for d in dead} == {"object-damaged"}, dead
    assert all("put the object again" in d["reason"] for d in dead)


def test_the_alarm_names_bucket_key_and_version(folder):
    world = folder.world
    until = time.monotonic() + 20
    alarms = []
    while not alarms and time.monotonic() < until:
        status = json.loads(world.baler("status", "--json").stdout)
        alarms = [a for a in status["alarms"] if a["name"] == "damage"]
        time.sleep(0.2)
    [alarm] = alarms
    assert alarm["severity"] == "critical" and "s3://" in alarm["text"] and "?versionId=" in alarm["text"]
    named = {(d["bucket"], d["key"]) for d in status["damage"]}
    assert {(LANDING, f"data/{name}") for name in BODIES} <= named
    assert status["damaged"] == len(status["damage"]) == len({(d["key"], d["version"]) for d in status["damage"]})
    assert all(d["kind"] == "object" and d["what"] and d["version"] for d in status["damage"])
    lines = [json.loads(line) for line in open(world.server.log_path, encoding="utf-8") if '"event":"damage"' in line]
    assert {(LANDING, f"data/{name}") for name in BODIES} <= {(line["bucket"], line["key"]) for line in lines}
    shown = world.baler("status").stdout
    assert "critical damage since" in shown and f"s3://{LANDING}/data/row?versionId=" in shown


def test_verify_names_every_one_of_them(folder):
    answer = folder.world.baler("verify", "--ledger", "--data", folder.data, "--json")
    found = json.loads(answer.stdout)
    assert answer.returncode == 1 and {(f["kind"], f["invariant"]) for f in found["findings"]} == {("damaged", "I13")}
    named = {(f["bucket"], f["key"]) for f in found["findings"]}
    assert named == ({(OTHER, k) for k in [*BODIES, "m1", "m2", "m3", "unfinished"]} |
                     {(LANDING, f"data/{name}") for name in BODIES})
    assert [f["text"] for f in found["findings"] if f["key"] == "unfinished"][0].startswith("part 2 of an upload: ")


def test_a_damaged_part_is_damaged_in_the_object_too(folder):
    upload, parts = folder.upload
    folder.world.s3.complete_multipart_upload(Bucket=OTHER, Key="unfinished", UploadId=upload, MultipartUpload={"Parts": parts})
    code, body, complete = raw_get(folder.world, "unfinished")
    assert (code, len(body), complete) == (200, P2, False)


def test_a_damaged_bundle_is_not_pulled_and_not_replayed(tmp_path):
    folder = Folder(tmp_path / "s")
    world = folder.start()
    world.put("data/one", text("one", 300000))
    world.put("data/two", text("two", 100))
    [key] = world.bundles()
    folder.stop()
    for path in (folder.data / "blobs").rglob("*"):
        if path.is_file() and path.read_bytes()[:2] == b"\x1f\x8b" and path.stat().st_nlink == 2:
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            with open(path, "r+b") as file:  # one file with two names
                file.write(data)
            break
    world = folder.start()
    pulled = world.baler("pull", "--to", tmp_path / "out")
    assert pulled.returncode != 0 and key in pulled.stdout + pulled.stderr
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_file() and p.suffix != ".json" and p.name in ("one", "two")]
    assert world.keys() == [key]
    replayed = world.baler("replay", key)
    assert replayed.returncode != 0, replayed.stdout
    answer = world.baler("verify", "--ledger", "--data", folder.data, "--json")
    assert {(f["kind"], f["invariant"], f["bucket"]) for f in json.loads(answer.stdout)["findings"]} == {
        ("damaged", "I4", DISTRIBUTION), ("damaged", "I4", "data-aggregator-archive-dev")}
    folder.stop()


def test_verify_names_a_damaged_message_and_the_object_that_is_lost_by_it(tmp_path):
    folder = Folder(tmp_path / "s")
    world = folder.start("--batch-window", "1h")
    world.put("data/a-waiting-object", b"x")
    world.put("data/b", b"x")
    folder.stop()
    database = folder.data / "baler.db"
    data = bytearray(database.read_bytes())
    at = data.find(b'"key":"data/a-waiting-object"')
    assert at > 0 and data.find(b'"key":"data/a-waiting-object"', at + 1) < 0
    data[at + 12] ^= 2
    database.write_bytes(data)
    answer = world.baler("verify", "--ledger", "--data", folder.data, "--json")
    found = json.loads(answer.stdout)["findings"]
    [text_of_it] = [f["text"] for f in found if (f["kind"], f["invariant"]) == ("damaged", "I13")]
    assert text_of_it.startswith("the message ")
    assert [f["key"] for f in found if f["kind"] == "lost"] == ["data/a-waiting-object"]
