"""The second trip of a dead letter over a whole server: redriven, it ships exactly once or dies again; the ledger stays sound."""
import io
import json
import os
import subprocess
import tarfile
import time

import pytest
import requests

from operator_kit import BINARY, DISTRIBUTION, LANDING
from test_events import TOKEN, with_token

LONG_AGO = "2001-01-01T00:00:00.000Z"  # the ledger refuses it; an operator may vouch for it


@pytest.fixture(name="baler")
def a_server(tmp_path):
    running = with_token(tmp_path / "s")
    yield running
    running.stop()


def killed_and_started_again(baler, tmp_path):
    baler.server.process.kill()
    baler.server.process.wait()
    return with_token(tmp_path / "s")


def put(baler, key, body):
    """Where no event is made of it; returns what another store would say of it."""
    answer = baler.s3.put_object(Bucket=LANDING, Key=key, Body=body)
    return {"key": key, "size": len(body), "versionId": answer["VersionId"], "eTag": answer["ETag"].strip('"')}


def announce(baler, thing, when=LONG_AGO):
    event = {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": when,
                          "s3": {"bucket": {"name": LANDING}, "object": thing}}]}
    assert requests.post(baler.server.endpoint + "/-/events", json=event, timeout=20,
                         headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def shipped(baler):
    """[(member, bytes)] of every bundle there is."""
    found = []
    for key in baler.bundles():
        data = baler.s3.get_object(Bucket=DISTRIBUTION, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(data)) as bundle:
            found += [(m.name, bundle.extractfile(m).read()) for m in bundle]
    return sorted(found)


def is_idle(baler):
    queue = baler.json("status")["queue"]
    return queue["visible"] == queue["in_flight"] == 0


def assert_sound(baler):
    answer = subprocess.run([BINARY, "verify", "--ledger", "--data", os.path.join(baler.server.folder, "data"), "--json"],
                            capture_output=True, text=True, timeout=60, check=False)
    assert (answer.returncode, json.loads(answer.stdout)["findings"]) == (0, [])


def dead(baler, n=1):
    return baler.wait(lambda: len(d := baler.dead_letters()) == n and d)


def test_its_cause_mended_it_ships_once(baler):
    """Refused for its age, and again for an object that came only after its event."""
    old = put(baler, "other/old", b"old")
    announce(baler, old)
    announce(baler, {"key": "other/late", "size": 4}, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    letters = dead(baler, 2)
    assert {d["code"] for d in letters} == {"too-old", "object-missing"}
    put(baler, "other/late", b"late")
    answers = baler.json("deadletter", "redrive", *(d["id"] for d in letters))
    assert [(a["outcome"], a["reopened"]) for a in answers] == [("done", 1), ("done", 1)]
    again = baler.json("deadletter", "redrive", *(d["id"] for d in letters * 2))
    assert [a["outcome"] for a in again] == ["already"] * 4
    baler.wait(lambda: is_idle(baler) and len(shipped(baler)) == 2)
    assert shipped(baler) == [("other/late", b"late"), ("other/old", b"old")]
    assert baler.dead_letters() == []
    assert baler.json("deadletter", "redrive", letters[0]["id"])[0]["outcome"] == "already"
    where = baler.json("where", f"s3://{LANDING}/other/old", code=1)
    assert where["place"] == "not-watched"
    time.sleep(1)  # longer than a batch
    assert len(shipped(baler)) == 2
    assert_sound(baler)


def test_not_mended_it_dies_again_of_what_is_wrong_then(baler):
    thing = put(baler, "other/k", b"bytes")
    announce(baler, thing)
    first = baler.json("deadletter", "show", dead(baler)[0]["id"])
    assert (first["code"], first["attempts"]) == ("too-old", 1)
    baler.s3.delete_object(Bucket=LANDING, Key="other/k", VersionId=thing["versionId"])
    redriven = baler.json("deadletter", "redrive", first["id"])[0]
    second = baler.wait(lambda: [d for d in baler.dead_letters() if d["id"] == redriven["message_id"]])[0]
    second = baler.json("deadletter", "show", second["id"])
    assert (second["code"], second["reason"], second["attempts"]) == ("object-missing", "the object or its version is gone", 1)
    assert second["message"] == first["message"] and second["died"] >= second["sent"] >= first["died"]
    assert len(baler.dead_letters()) == 1 and shipped(baler) == []
    assert_sound(baler)


def test_shipped_meanwhile_it_is_not_shipped_again(baler):
    """Two messages of one object die; the second redrive meets a member."""
    thing = put(baler, "other/k", b"bytes")
    announce(baler, thing)
    announce(baler, thing)
    letters = dead(baler, 2)
    assert baler.json("deadletter", "redrive", letters[0]["id"])[0]["reopened"] == 1
    baler.wait(lambda: shipped(baler))
    answer = baler.json("deadletter", "redrive", letters[1]["id"])[0]
    assert (answer["outcome"], answer["reopened"]) == ("done", 0)
    baler.wait(lambda: is_idle(baler) and not baler.dead_letters())
    time.sleep(1)  # longer than a batch
    assert shipped(baler) == [("other/k", b"bytes")]
    assert_sound(baler)


def test_killed_before_the_answer_each_ships_once(baler, tmp_path):
    """kill -9 while a redrive is on its way, again and again; whoever had no answer asks again."""
    expected = []
    for i in range(60):
        body = os.urandom(2000)
        expected.append((f"other/{i:02}", body))
        announce(baler, put(baler, f"other/{i:02}", body))
    letters = dead(baler, 60)
    for i in range(6):
        asking = subprocess.Popen([BINARY, "deadletter", "redrive", *(d["id"] for d in letters[: 10 * (i + 1)])],
                                  env=baler.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.01 * i)  # before it is asked, and while its bundle is made
        if i % 2:
            asking.wait()
            time.sleep(0.15 * i)
        baler = killed_and_started_again(baler, tmp_path)
        asking.wait()
    try:
        for _ in range(2):
            answers = baler.json("deadletter", "redrive", *(d["id"] for d in letters))
            assert {a["outcome"] for a in answers} <= {"done", "already"}
        baler.wait(lambda: is_idle(baler) and len(shipped(baler)) >= 60, 40)
        time.sleep(1)  # longer than a batch
        assert shipped(baler) == expected
        assert baler.dead_letters() == []
        assert_sound(baler)
    finally:
        baler.stop()
