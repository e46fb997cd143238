"""The promise of --memory: whatever others do, the process stays below it. Each row brings one kind of buffer to its worst and reads VmHWM.

These are the rows that take a second or two, against a ceiling of 128 MiB so that fewer connections do; script/check-full runs them with the
default and to the full (BALER_MEMORY_FULL=1).
"""
import base64
import hashlib
import json
import os
import time

import pytest

from memory_kit import (UPLOAD_ID, LANDING, complete_document, connections, delete_document, half, json_bomb, load, send_all, serving,
                        statuses, write_report)

FULL = os.environ.get("BALER_MEMORY_FULL") == "1"
CEILING_MIB, N = (256, 900) if FULL else (128, 300)
OPTIONS = () if FULL else ("--memory", "128MiB")
OBJECT = f"/{LANDING}/data/x"


def half_sent_documents(memory, sockets):
    document = complete_document(10000)
    document += b" " * ((2 << 20) - 1 - len(document))
    data = half(memory.signed("POST", f"{OBJECT}?uploadId={UPLOAD_ID}", document), document)
    send_all(sockets, lambda i: data)


def whole_documents(memory, sockets):
    document = complete_document(10000)
    data = memory.signed("POST", f"{OBJECT}?uploadId={UPLOAD_ID}", document).head() + document
    send_all(sockets, lambda i: data)


def deletes_of_a_thousand(memory, sockets):
    document = delete_document(1000)
    md5 = base64.b64encode(hashlib.md5(document).digest()).decode()
    data = memory.signed("POST", f"/{LANDING}?delete", document, {"content-md5": md5}).head() + document
    send_all(sockets, lambda i: data)


def events_of_a_million_values(memory, sockets):
    document = json_bomb((1 << 20) - 10)
    data = memory.signed("POST", "/-/events", document).head() + document
    send_all(sockets, lambda i: data)


def invocations_of_millions_of_values(memory, sockets):
    document = json_bomb((6 << 20) - 10)
    path = "/2015-03-31/functions/data-aggregator-processor-dev/invocations"
    data = memory.http.request("POST", path, document).sign(service="lambda").head() + document
    send_all(sockets[:40], lambda i: data)


def large_objects_that_nobody_reads(memory, sockets):
    memory.put("x/large", b"x" * (8 << 20))
    data = memory.signed("GET", f"/{LANDING}/x/large").head()
    send_all(sockets, lambda i: data)


def small_objects_that_nobody_reads(memory, sockets):
    memory.put("x/small", b"x" * (128 << 10))
    data = memory.signed("GET", f"/{LANDING}/x/small").head() * 40
    send_all(sockets, lambda i: data)


def half_sent_bodies(memory, sockets):
    body = b"x" * (127 << 10)
    data = half(memory.signed("PUT", OBJECT, body), body)
    send_all(sockets, lambda i: data)
    memory.wait(lambda: memory.share("bodies")["refused"])  # they go to files
    assert memory.share("bodies")["peak_bytes"] <= memory.share("bodies")["max_bytes"]


def whole_bodies_at_once(memory, sockets):
    body = b"x" * (127 << 10)
    requests = [memory.signed("PUT", f"{OBJECT}{i}", body).head() + body for i in range(len(sockets))]
    send_all(sockets, lambda i: requests[i] * 3)


ROWS = [half_sent_bodies, whole_bodies_at_once, half_sent_documents, whole_documents, deletes_of_a_thousand,
        events_of_a_million_values, invocations_of_millions_of_values, large_objects_that_nobody_reads, small_objects_that_nobody_reads]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
def test_stays_below_the_ceiling(tmp_path, row):
    with serving(tmp_path / "f", *OPTIONS) as memory:
        with connections(memory, N) as sockets:
            row(memory, sockets)
            time.sleep(0.5)
            answered = statuses(sockets)
            honest_s = memory.honest()
        assert memory.mib() < CEILING_MIB, answered
        write_report(row.__name__, memory, statuses=answered, honest_s=round(honest_s, 2))
        assert honest_s < 10  # seconds, for six requests beside it all
        assert memory.share("requests")["peak_bytes"] <= memory.share("requests")["max_bytes"] * 1.1


def everything_at_once(memory, sockets):
    """A batch that fills its share, caches that fill theirs, and every kind of request, on a third of the connections each."""
    load(memory, "--count", str(60000 if FULL else 20000), "--size", "100", "--connections", "64")
    third = len(sockets) // 3
    half_sent_bodies(memory, sockets[:third])
    half_sent_documents(memory, sockets[third:2 * third])
    large_objects_that_nobody_reads(memory, sockets[2 * third:])


# They take ten minutes.
LONG_ROWS = [((), 1500, 50), ((), 9900, 60), (("--batch-window", "10m"), 10500, 50), (("--batch-window", "1h"), 9900, 60),
             (("--batch-max-objects", "100000", "--batch-window", "10m"), 500000, 0)]
SHORT_ROWS = [(("--batch-window", "10m"), 500, 250)]


@pytest.mark.parametrize("options, puts, rate", LONG_ROWS if FULL else SHORT_ROWS)
def test_a_trickle_stays_below_the_ceiling(tmp_path, options, puts, rate):
    """Each message is received alone and waits for its batch."""
    with serving(tmp_path / "f", *OPTIONS, *options) as memory:
        # one connection for a trickle: the server ends those that are idle for a minute
        load(memory, "--count", str(puts), "--size", "1024", "--rate", str(rate), "--connections", "1" if rate else "64")
        write_report(" ".join((*options, f"{puts} puts at {rate}/s")), memory)
        assert memory.mib() < (CEILING_MIB if FULL else 60)


def test_everything_at_once_stays_below_the_ceiling(tmp_path):
    with serving(tmp_path / "f", "--batch-max-objects", "100000", "--batch-window", "10m", *OPTIONS) as memory:
        with connections(memory, N) as sockets:
            everything_at_once(memory, sockets)
            honest_s = memory.honest()
        write_report("everything_at_once", memory, honest_s=round(honest_s, 2))
        assert memory.mib() < CEILING_MIB


def test_an_invocation_of_the_largest_size_works(tmp_path):
    """6 MiB of messages as SQS gives them to Lambda, in a process of the default size."""
    with serving(tmp_path / "f") as memory:
        body = json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": LANDING}, "object": {
            "key": "data/" + "k" * 300, "size": 1, "versionId": "none"}}}]})
        record = {"receiptHandle": "r" * 100, "body": body, "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1",
                  "SenderId": "s" * 20, "ApproximateFirstReceiveTimestamp": "1"}, "messageAttributes": {}, "md5OfBody": "0" * 32,
                  "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:q", "awsRegion": "us-east-1"}
        n = (6 << 20) // (len(json.dumps(record)) + 30) - 1
        document = json.dumps({"Records": [dict(record, messageId=str(i)) for i in range(n)]}).encode()
        assert 5 << 20 < len(document) < 6 << 20
        path = "/2015-03-31/functions/data-aggregator-processor-dev/invocations"
        answer = memory.http.request("POST", path, document).sign(service="lambda").send()
        assert answer.status == 200 and b"batchItemFailures" in answer.body, answer
        assert memory.mib() < 256
        assert memory.share("messages")["used_bytes"] < 1 << 20


def test_less_than_what_works_is_refused(tmp_path):
    from operator_kit import BINARY  # pylint: disable=import-outside-toplevel
    import subprocess  # pylint: disable=import-outside-toplevel
    answer = subprocess.run([BINARY, "serve", "--memory", "95MiB", "--data", str(tmp_path / "d")], capture_output=True, text=True,
                            timeout=20, check=False)
    assert answer.returncode == 2
    assert "'--memory': '95MiB' is out of range, 96MiB to" in answer.stderr
