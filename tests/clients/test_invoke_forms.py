"""Every form in which Lambda clients name, ask and are answered: the same by boto3 and by the JavaScript SDK."""
import base64
import json

import pytest
from botocore.exceptions import ClientError

from test_invoke import (DISTRIBUTION, FUNCTION, LANDING, Installation, direct, failures,  # noqa: F401
                         javascript, record, sqs)

ACCOUNT = "123456789012"
ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{FUNCTION}"


@pytest.fixture(scope="module", name="here")
def a_server():
    running = Installation()
    yield running
    running.close()


def boto(here, *commands):
    """As javascript()."""
    out = []
    for name, given in commands:
        words = dict(given)
        try:
            if name == "configuration":
                out.append(here.lambda_.get_function_configuration(**words))
                continue
            payload = words.pop("Payload", None)
            if payload is not None:
                words["Payload"] = payload if isinstance(payload, str) else json.dumps(payload)
            a = here.lambda_.invoke(**words)
            body = a["Payload"].read()
            out.append({"status": a["StatusCode"], "error": a.get("FunctionError"), "version": a.get("ExecutedVersion"),
                        "log": a.get("LogResult") and base64.b64decode(a["LogResult"]).decode(),
                        "payload": json.loads(body) if body else None})
        except ClientError as e:
            out.append({"exception": e.response["Error"]["Code"], "message": e.response["Error"]["Message"],
                        "status": e.response["ResponseMetadata"]["HTTPStatusCode"]})
    return out


@pytest.fixture(params=[boto, javascript], ids=["boto3", "javascript"], name="ask")
def a_client(request, here):
    return lambda *commands: request.param(here, *commands)


NAMED = [{"FunctionName": name} for name in (
    FUNCTION, f"{FUNCTION}:$LATEST", ARN, f"{ARN}:$LATEST", f"{ACCOUNT}:function:{FUNCTION}", f"function:{FUNCTION}",
    f"arn:aws-cn:lambda:cn-north-1:{ACCOUNT}:function:{FUNCTION}")]
NAMED += [{"FunctionName": FUNCTION, "Qualifier": "$LATEST"}, {"FunctionName": f"{FUNCTION}:$LATEST", "Qualifier": "$LATEST"}]
UNKNOWN = [{"FunctionName": name} for name in (
    f"{FUNCTION}:7", f"{FUNCTION}:live", f"{ARN}:live", f"{FUNCTION}x", f"{ARN}-other",
    f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:other")]
UNKNOWN += [{"FunctionName": FUNCTION, "Qualifier": "7"}, {"FunctionName": ARN, "Qualifier": "live"}]


def test_names_arns_and_qualifiers(ask):
    answers = ask(*(("configuration", n) for n in NAMED), *(("invoke", {**n, "InvocationType": "DryRun"}) for n in NAMED))
    assert [a["FunctionName"] for a in answers[:len(NAMED)]] == [FUNCTION] * len(NAMED)
    assert [a["status"] for a in answers[len(NAMED):]] == [204] * len(NAMED)
    for answer in ask(*(("configuration", n) for n in UNKNOWN), *(("invoke", n) for n in UNKNOWN)):
        assert (answer.get("exception"), answer["status"]) == ("ResourceNotFoundException", 404)
        assert answer["message"].startswith("Function not found: ")


@pytest.mark.parametrize("name", [f"not-an-arn:function:{FUNCTION}", f"arn:aws:s3:::function:{FUNCTION}", f"x{ARN}"])
def test_what_only_ends_like_the_name_is_another_function(here, name):
    """boto3 alone sends such a name at all."""
    answer = boto(here, ("invoke", {"FunctionName": name}))[0]
    assert (answer.get("exception"), answer["status"]) == ("ResourceNotFoundException", 404)


def test_configuration_says_what_runs(ask):
    answer = ask(("configuration", {"FunctionName": FUNCTION}))[0]
    assert (answer["State"], answer["LastUpdateStatus"], answer["Version"]) == ("Active", "Successful", "$LATEST")
    assert answer["FunctionArn"].endswith(f":function:{FUNCTION}")
    variables = answer["Environment"]["Variables"]
    assert (variables["ENVIRONMENT"], variables["DISTRIBUTION_BUCKET_NAME"]) == ("dev", DISTRIBUTION)
    assert (variables["MAX_BUNDLE_ON_DISK_MB"], variables["TIMEOUT_GUARD_THRESHOLD_SECONDS"]) == ("4", "10")
    assert answer["Timeout"] == 900


def test_a_run_an_error_and_the_log_of_each(ask, here):
    good = {"FunctionName": FUNCTION, "LogType": "Tail", "Payload": direct(here.put("a", b"a"))}
    quiet = {**good, "LogType": "None"}
    bad = {**good, "Payload": {"e2e_test_direct_invoke": True}}
    empty = {**good, "Payload": direct()}
    ran, silent, failed, nothing, no_payload = ask(
        ("invoke", good), ("invoke", quiet), ("invoke", bad), ("invoke", empty), ("invoke", {"FunctionName": FUNCTION}))
    assert (ran["status"], ran.get("error"), ran["version"], ran["payload"]["processed_records"]) == (200, None, "$LATEST", 1)
    assert '"processed_records":1,' in ran["log"] and "Predicted disk usage" not in ran["log"]
    assert silent["payload"]["processed_records"] == 1 and not silent.get("log")
    assert (failed["status"], failed["error"], failed["payload"]["errorType"]) == (200, "Unhandled", "InvalidEvent")
    assert "'records' is not a list" in failed["payload"]["errorMessage"]
    assert nothing.get("error") is None and '"processed_records":0,' in nothing["log"]
    assert (nothing["payload"]["processed_records"], nothing["payload"]["bundle"]) == (0, None)
    assert (no_payload["status"], no_payload["error"]) == (200, "Unhandled")


def test_the_tail_is_the_end_of_a_long_log(ask):
    missing = [record(f"direct-invoke-tests/never/{i:03}", 1, "no-such-version", "0" * 32) for i in range(60)]
    answer = ask(("invoke", {"FunctionName": FUNCTION, "LogType": "Tail", "Payload": direct(*missing)}))[0]
    assert 4000 < len(answer["log"]) <= 4096
    *_, before, last = answer["log"].splitlines()
    assert json.loads(before)["key"].endswith("/059") and '"processed_records":0,"failed_records":60,' in last


def test_limits_and_refusals(ask):
    just_fits, asynchronous = ('{"x":"' + "x" * ((n << 20) - 8) + '"}' for n in (6, 1))
    invoke = {"FunctionName": FUNCTION}
    answers = ask(("invoke", {**invoke, "Payload": just_fits}), ("invoke", {**invoke, "Payload": just_fits + " "}),
                  ("invoke", {**invoke, "Payload": asynchronous, "InvocationType": "Event"}),
                  ("invoke", {**invoke, "Payload": asynchronous + " ", "InvocationType": "Event"}),
                  ("invoke", {**invoke, "Payload": "{"}), ("invoke", {**invoke, "InvocationType": "Sometimes"}))
    assert [a.get("exception") for a in answers] == [
        None, "RequestTooLargeException", None, "RequestTooLargeException", "InvalidRequestContentException",
        "InvalidParameterValueException"]
    assert [a["status"] for a in answers] == [200, 413, 202, 413, 400, 400]


def test_an_sqs_event_with_something_of_everything(ask, here):
    """Only what must come back is named: not what shipped, shipped before, or is to be dropped."""
    one, two, denied = (here.put(name, name.encode()) for name in ("one", "two", "three"))
    denied["s3"]["object"]["size"] += 1
    removed = {**record("direct-invoke-tests/x", 1, "v", "e"), "eventName": "ObjectRemoved:Delete"}
    other = record("direct-invoke-tests/x", 1, "v", "0" * 32, bucket="some-other-bucket")
    event = sqs({"Records": [one]}, "{", {"Records": [one, two]}, {"Event": "s3:TestEvent"}, {"Records": [denied]},
                {"Records": [removed]}, {"Records": [other]}, {"Records": [two, denied]}, {"no": "Records"}, "",
                {"Records": [record("direct-invoke-tests/../../evil", 1, "v", "0" * 32)]},
                {"e2e_test_direct_invoke": True, "records": [one]})
    before = here.bundle_keys()
    answer = ask(("invoke", {"FunctionName": FUNCTION, "Payload": event, "LogType": "Tail"}))[0]
    assert answer.get("error") is None and list(answer["payload"]) == ["batchItemFailures"]
    assert [f["itemIdentifier"] for f in answer["payload"]["batchItemFailures"]] == [
        "m1", "m4", "m6", "m7", "m8", "m9", "m10", "m11"]
    assert '"processed_records":4,' in answer["log"]
    shipped = [body for key in here.bundle_keys() - before for _, body in here.members(key)]
    assert sorted(shipped) == [b"one", b"two"]
    again = ask(("invoke", {"FunctionName": FUNCTION, "Payload": sqs({"Records": [two]}, {"Records": [one]})}))[0]
    assert again["payload"] == {"batchItemFailures": []}
    assert sorted(body for key in here.bundle_keys() - before for _, body in here.members(key)) == [b"one", b"two"]


def test_an_sqs_event_that_cannot_be_answered_in_part_fails_whole(here):
    one = {"Records": [here.put("one", b"one")]}
    mixed = sqs(one)
    before = here.bundle_keys()
    for strange in ({"eventSource": "aws:s3", "s3": {}}, {"messageId": "", "body": "{}"}, {"messageId": "m", "body": {}}, None):
        mixed["Records"][1:] = [strange]
        assert here.invoke(mixed)["FunctionError"] == "Unhandled"
    mixed["Records"] = [{"eventSource": "aws:s3", "s3": {}}, *sqs(one)["Records"]]
    assert here.invoke(mixed)["FunctionError"] == "Unhandled"
    assert here.bundle_keys() == before


def test_an_answer_that_is_too_long_is_an_error(here):
    """Cut short it would be no JSON, or name too few."""
    event = sqs(*["not json"] * 5)
    for i, message in enumerate(event["Records"]):
        message["messageId"] = str(i) + "\x7f" * 300000  # six bytes each in an answer
    answer = here.invoke(json.dumps(event, ensure_ascii=False).encode())
    assert (answer["FunctionError"], json.load(answer["Payload"])["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")


def test_messages_of_one_id_come_back_together(here):
    """SQS never sends such a thing; if it did, its answer can name both only."""
    event = sqs({"Records": [here.put("g", b"g")]}, "not json")
    event["Records"][1]["messageId"] = "m0"
    assert failures(here.invoke(event)) == ["m0"]


def test_an_object_that_waits_in_the_servers_own_queue_ships_once(here):
    """Its own event and a message of another's queue: one object, one bundle."""
    for i in range(5):
        answer = here.s3.put_object(Bucket=LANDING, Key=f"data/both{i}", Body=b"both %d" % i)
        event = sqs({"Records": [record(f"data/both{i}", 6, answer["VersionId"], answer["ETag"])]})
        while failures(here.invoke(event)):
            pass
    shipped = [name for key in here.bundle_keys() for name, _ in here.members(key) if name.startswith("data/both")]
    assert sorted(shipped) == [f"data/both{i}" for i in range(5)]
