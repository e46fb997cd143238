"""POST /-/events: other stores' notifications into the queue; bundles from a store that is not ours."""
import base64
import io
import json
import os
import subprocess
import sys
import tarfile
import urllib.parse

import boto3
import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from operator_kit import BINARY, DISTRIBUTION, LANDING, Baler

TOKEN = "a-token-of-the-other-store"


def with_token(folder, *options):
    """The token is a secret: it has a variable and no flag."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BALER_EVENTS_TOKEN", TOKEN)
        return Baler(folder, *options)


@pytest.fixture(scope="module")
def baler(tmp_path_factory):
    """Keys outside the event prefix make no events of their own: what is bundled of them came through the door."""
    running = with_token(tmp_path_factory.mktemp("events") / "s", "--event-prefix", "ours/")
    yield running
    running.stop()


def post(baler, body, token=TOKEN, path="/-/events", **headers):
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return requests.post(baler.server.endpoint + path, data=data, headers=headers, timeout=20)


def s3_record(bucket, key, version=None, size=100, etag=None, encode=urllib.parse.quote_plus, **more):
    thing = {"key": encode(key), "size": size, "sequencer": "0055AED6DCD90281E5"}
    if version:
        thing["versionId"] = version
    if etag:
        thing["eTag"] = etag
    return {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket}, "object": thing}, **more}


def aws(bucket, key, version):
    return {"Records": [s3_record(bucket, key, version)]}


def minio(bucket, key, version):
    record = s3_record(bucket, key, version, encode=lambda k: urllib.parse.quote_plus(k, safe=""), eventVersion="2.0",
                       eventSource="minio:s3", eventName="s3:ObjectCreated:Put")
    return {"EventName": "s3:ObjectCreated:Put", "Key": f"{bucket}/{key}", "Records": [record]}


def ceph(bucket, key, version):
    return {"Records": [s3_record(bucket, key, version, encode=lambda k: k, eventSource="ceph:s3")]}


def sns(bucket, key, version):
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": json.dumps(aws(bucket, key, version))}


def eventbridge(bucket, key, version):
    return {"version": "0", "source": "aws.s3", "detail-type": "Object Created", "time": "2026-11-12T00:00:00Z",
            "detail": {"bucket": {"name": bucket}, "reason": "PutObject",
                       "object": {"key": key, "size": 100, "version-id": version, "sequencer": "617f08299329d189"}}}


def members(baler):
    names = set()
    for key in baler.bundles():
        body = baler.s3.get_object(Bucket=DISTRIBUTION, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as bundle:
            names |= set(bundle.getnames())
    return names


@pytest.mark.parametrize("dialect", [aws, minio, ceph, sns, eventbridge])
def test_each_dialect_is_bundled(baler, dialect):
    key = f"elsewhere/{dialect.__name__}/a b+c%41/é"
    version = baler.put(key)
    answer = post(baler, dialect(LANDING, key, version))
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
    canonical = key.replace("%41", "A")
    baler.wait(lambda: canonical in members(baler))


def test_a_notification_that_comes_twice_is_bundled_once(baler):
    version = baler.put("elsewhere/twice")
    for _ in range(2):
        assert post(baler, aws(LANDING, "elsewhere/twice", version)).status_code == 200
    baler.wait(lambda: "elsewhere/twice" in members(baler))
    baler.wait(lambda: (q := baler.json("status")["queue"])["visible"] + q["in_flight"] == 0)
    assert sum("elsewhere/twice" in tarfile.open(fileobj=io.BytesIO(
        baler.s3.get_object(Bucket=DISTRIBUTION, Key=key)["Body"].read())).getnames() for key in baler.bundles()) == 1


def test_the_short_path_is_the_same_and_leaves_a_bucket_of_that_name_alone(baler):
    version = baler.put("data/short")
    assert post(baler, aws(LANDING, "data/short", version), path="/events").json() == {"accepted": 1}
    assert post(baler, aws(LANDING, "data/short", version), path="/events", token="a-wrong-token-of-theirs").status_code == 403
    baler.wait(lambda: "data/short" in members(baler))
    baler.s3.create_bucket(Bucket="events")
    baler.s3.put_object(Bucket="events", Key="k", Body=b"mine")
    baler.s3.delete_objects(Bucket="events", Delete={"Objects": [{"Key": "k"}]})
    assert "Contents" not in baler.s3.list_objects_v2(Bucket="events")


def test_a_notification_longer_than_a_message_becomes_many(baler):
    versions = {f"elsewhere/long/{i}": baler.put(f"elsewhere/long/{i}") for i in range(20)}
    records = [s3_record(LANDING, key, version, padding="x" * 20000) for key, version in versions.items()]
    answer = post(baler, {"Records": records})
    assert (answer.status_code, answer.json()) == (200, {"accepted": 20})
    baler.wait(lambda: set(versions) <= members(baler))


def test_it_is_durable_when_it_is_answered(tmp_path):
    slow = with_token(tmp_path / "s", "--batch-window", "1h", "--event-prefix", "ours/")
    version = slow.put("elsewhere/kept")
    assert post(slow, aws(LANDING, "elsewhere/kept", version)).status_code == 200
    slow.server.process.kill()
    slow.server.process.wait()
    quick = Baler(tmp_path / "s")
    try:
        quick.wait(lambda: "elsewhere/kept" in members(quick))
    finally:
        quick.stop()


def test_an_event_of_another_bucket_never_makes_us_read_it(baler):
    assert post(baler, aws("somebody-elses-bucket", "key", "v")).status_code == 200
    dead = baler.wait(lambda: [d for d in baler.dead_letters() if d["code"] == "wrong-bucket"])[0]
    assert dead["objects"][0]["bucket"] == "somebody-elses-bucket"


def test_a_test_event_and_a_deletion_are_taken_and_dropped(baler):
    before = len(baler.dead_letters())
    assert post(baler, {"Service": "Amazon S3", "Event": "s3:TestEvent"}).json() == {"accepted": 0}
    removed = s3_record(LANDING, "elsewhere/x", "v", eventName="ObjectRemoved:Delete")
    assert post(baler, {"Records": [removed]}).status_code == 200
    baler.wait(lambda: (q := baler.json("status")["queue"])["visible"] + q["in_flight"] == 0)
    assert len(baler.dead_letters()) == before


def test_an_offer_of_sns_is_told_to_the_operator_and_not_followed(baler):
    offer = {"Type": "SubscriptionConfirmation", "TopicArn": "arn:t", "SubscribeURL": "http://127.0.0.1:9/confirm"}
    assert post(baler, offer).status_code == 200
    assert "http://127.0.0.1:9/confirm" in baler.server.log_tail()


@pytest.mark.parametrize("body", [
    b"", b"not json", b"[]", b"{}", b"3", b'{"Records":3}', b'{"Records":[{}]}', b'{"Records":[{"s3":{"bucket":{"name":"b"}}}]}',
    b'{"Type":"Notification","Message":"no json"}', b'{"Type":"Notification","Message":"{}"}',
    b'{"source":"aws.s3","detail":{}}', b"[" * 3000, b'{"Records":[],"Records":[]}',
    json.dumps({"Records": [s3_record("b", "k", "v" * 200)]}).encode(),
    json.dumps({"Records": [s3_record("b", "k")] * 1001}).encode(),
])
def test_what_is_no_event_is_400(baler, body):
    answer = post(baler, body)
    assert answer.status_code == 400 and answer.json()["error"]["message"]


def test_more_than_a_mebibyte_is_400(baler):
    answer = post(baler, b'{"Records":[],"x":"' + b"y" * (1 << 20) + b'"}')
    assert answer.status_code == 400 and answer.json()["error"]["code"] in ("MaxMessageLengthExceeded", "not-json")


def test_a_whole_mebibyte_is_taken(baler):
    versions = {f"elsewhere/mebibyte/{i}": baler.put(f"elsewhere/mebibyte/{i}") for i in range(3)}
    body = json.dumps({"Records": [s3_record(LANDING, key, version) for key, version in versions.items()], "x": ""})
    body = body[:-2] + "y" * ((1 << 20) - len(body)) + body[-2:]
    assert len(body) == 1 << 20
    assert post(baler, body).json() == {"accepted": 3}
    baler.wait(lambda: set(versions) <= members(baler))


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("header", [
    "Bearer", "Bearer ", "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Basic", "Basic ",
    basic("baler", "wrong"), basic("baler", ""), basic(TOKEN, ""), basic("", TOKEN + ":"), "Basic " + "A" * 4000,
    "Basic " + base64.b64encode(TOKEN.encode()).decode(),
])
def test_without_the_token_nothing_enters(baler, header):
    answer = post(baler, aws(LANDING, "elsewhere/x", "v"), token=None, Authorization=header)
    assert answer.status_code in (400, 403) and TOKEN not in answer.text


def test_who_shows_nothing_is_asked_for_the_token(baler):
    answer = post(baler, aws(LANDING, "elsewhere/x", "v"), token=None)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="baler"')
    assert answer.json()["error"]["code"] == "Unauthorized"


def test_a_url_with_the_token_as_password(baler):
    """All that SNS and Ceph can be given is a URL."""
    version = baler.put("elsewhere/by url")
    url = baler.server.endpoint.replace("http://", f"http://baler:{TOKEN}@") + "/-/events"
    answer = requests.post(url, data=json.dumps(ceph(LANDING, "elsewhere/by url", version)), timeout=20)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
    baler.wait(lambda: "elsewhere/by url" in members(baler))


def test_the_token_opens_nothing_else(baler):
    for path in ("/-/api/v1/status", "/-/api/v1/deadletters", "/", f"/{LANDING}"):
        for shown in (f"Bearer {TOKEN}", basic("baler", TOKEN)):
            answer = requests.get(baler.server.endpoint + path, headers={"Authorization": shown}, timeout=20)
            assert answer.status_code in (400, 403)
    assert requests.put(baler.server.endpoint + "/-/events", data=b"{}", headers={"Authorization": f"Bearer {TOKEN}"},
                        timeout=20).status_code in (400, 403, 405)


def test_a_signature_does_as_well(baler):
    request = AWSRequest(method="POST", url=baler.server.endpoint + "/-/events", data=json.dumps({"Event": "s3:TestEvent"}))
    S3SigV4Auth(Credentials(baler.server.access_key, baler.server.secret_key), "s3", "us-east-1").add_auth(request)
    answer = requests.post(request.url, data=request.data, headers=dict(request.headers), timeout=20)
    assert answer.status_code == 200


def test_without_a_token_set_no_token_is_right(tmp_path):
    closed = Baler(tmp_path / "s")
    try:
        for token in ("", "None", "null", TOKEN):
            assert post(closed, {"Event": "s3:TestEvent"}, token=None, Authorization=f"Bearer {token}").status_code in (400, 403)
    finally:
        closed.stop()


@pytest.mark.parametrize("words, says", [
    (("--events-token", TOKEN), "BALER_EVENTS_TOKEN"), ((f"--events-token={TOKEN}",), "BALER_EVENTS_TOKEN"),
    (("--ledger-retention", "3d"), "less than 4d"),
    (("--landing-endpoint", "http://127.0.0.1:1"), "BALER_LANDING_ACCESS_KEY_ID"),
    (("--landing-endpoint", "ftp://x"), "'--landing-endpoint'"),
    (("--reconcile-interval", "1h"), "only with --landing-endpoint"),
])
def test_settings_that_cannot_be_are_refused(tmp_path, words, says):
    answer = subprocess.run([BINARY, "serve", "--data", str(tmp_path / "d"), "--listen", "127.0.0.1:0", *words],
                            capture_output=True, text=True, timeout=20, check=False)
    assert answer.returncode == 2 and says in answer.stderr and TOKEN not in answer.stderr


def test_a_short_token_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("BALER_EVENTS_TOKEN", "short")
    test_settings_that_cannot_be_are_refused(tmp_path, (), "shorter than 16 characters")


def test_a_short_ledger_is_honoured_with_a_warning(tmp_path):
    short = Baler(tmp_path / "s", "--ledger-retention", "5d")
    try:
        short.json("status")
        line = json.loads([x for x in short.server.log_tail().splitlines() if "config-risk" in x][0])
        assert line["level"] == "WARNING" and line["setting"] == "ledger-retention" and line["retention_days"] == 5
    finally:
        short.stop()


@pytest.fixture
def foreign(tmp_path):
    """moto's server: another S3 store, with a versioned bucket."""
    process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
                               stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "Running on http://" in line:
            url = line.split("Running on ")[1].split()[0]
            break
    else:
        raise RuntimeError("moto's server did not start")
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="foreign", aws_secret_access_key="foreign")
    client.create_bucket(Bucket="their-landing")
    client.put_bucket_versioning(Bucket="their-landing", VersioningConfiguration={"Status": "Enabled"})
    yield url, client
    process.terminate()
    process.wait()


def test_bundles_from_a_foreign_store(tmp_path, foreign, monkeypatch):
    url, theirs = foreign
    monkeypatch.setenv("BALER_LANDING_ACCESS_KEY_ID", "foreign")
    monkeypatch.setenv("BALER_LANDING_SECRET_ACCESS_KEY", "foreign")
    monkeypatch.setenv("BALER_EVENTS_TOKEN", TOKEN)
    baler = Baler(tmp_path / "s", "--landing-endpoint", url, "--landing-bucket", "their-landing")
    try:
        records, bodies = [], {}
        for i in range(5):
            key, body = f"data/far away/{i}", os.urandom(1000 + i)
            put = theirs.put_object(Bucket="their-landing", Key=key, Body=body)
            bodies[key] = body
            records.append(s3_record("their-landing", key, put["VersionId"], len(body), put["ETag"].strip('"')))
        gone = s3_record("their-landing", "data/gone", "0" * 32, 10)
        assert post(baler, {"Records": records + [gone]}).json() == {"accepted": 6}
        baler.wait(lambda: set(bodies) <= members(baler))
        for key in baler.bundles():
            with tarfile.open(fileobj=io.BytesIO(baler.s3.get_object(Bucket=DISTRIBUTION, Key=key)["Body"].read())) as bundle:
                for name in bundle.getnames():
                    assert bundle.extractfile(name).read() == bodies[name]
        status = baler.json("status")
        assert status["landing"] == {"bucket": "their-landing"}
        assert baler.wait(baler.dead_letters)[0]["code"] == "object-missing"
        where = baler.json("where", "s3://their-landing/data/far away/3", "--version", records[3]["s3"]["object"]["versionId"])
        assert where["place"] == "member"
        assert "in another store" in baler.run("status").stdout
    finally:
        baler.stop()
