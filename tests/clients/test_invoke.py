"""Direct invocation as Lambda clients do it: boto3 (which signs without x-amz-content-sha256) and the JavaScript SDK (with it)."""
import base64
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tarfile
import threading
import time
import uuid

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from server import Server
from test_roles import add_key

HERE = pathlib.Path(__file__).resolve().parent
LANDING, DISTRIBUTION, ARCHIVE = (f"data-aggregator-{role}-dev" for role in ("landing", "distribution", "archive"))
FUNCTION = "data-aggregator-processor-dev"
SLOTS = 4
NOT_FOUND = {"Code": "ResourceNotFoundException", "Message": "Function not found: no-such-function"}


class Installation:
    """A server of its own, with a limit of 4 MiB a bundle."""

    def __init__(self, *options):
        self.server = Server("--batch-window", "300ms", "--batch-max-bytes", "4MiB", *options)
        self.s3, self.lambda_ = self.client("s3"), self.client("lambda")

    def client(self, service, **other):
        keys = {"aws_access_key_id": self.server.access_key, "aws_secret_access_key": self.server.secret_key, **other}
        return boto3.client(service, endpoint_url=self.server.endpoint, region_name="us-east-1",
                            config=Config(retries={"max_attempts": 1, "mode": "standard"}), **keys)

    def put(self, name, body):
        """Where no event is made of it. Returns its record."""
        key = f"direct-invoke-tests/{uuid.uuid4().hex}/{name}"
        answer = self.s3.put_object(Bucket=LANDING, Key=key, Body=body)
        return record(key, len(body), answer["VersionId"], answer["ETag"])

    def invoke(self, payload, **more):
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.lambda_.invoke(**{"FunctionName": FUNCTION, "Payload": data, **more})

    def bundle_keys(self):
        return {o["Key"] for o in self.s3.list_objects_v2(Bucket=DISTRIBUTION).get("Contents", [])}

    def members(self, key, bucket=DISTRIBUTION):
        """[(name, bytes)] in order."""
        data = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
            return [(m.name, tar.extractfile(m).read()) for m in tar]

    def close(self):
        assert self.server.stop() == 0, self.server.log_tail()
        shutil.rmtree(self.server.folder)
        os.unlink(self.server.log_path)


def record(key, size, version, etag, bucket=LANDING):
    return {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket},
                   "object": {"key": key, "size": size, "versionId": version, "eTag": etag.strip('"')}}}


def direct(*records):
    return {"e2e_test_direct_invoke": True, "records": list(records)}


def sqs(*bodies):
    return {"Records": [{"messageId": f"m{i}", "receiptHandle": f"r{i}", "eventSource": "aws:sqs",
                         "body": b if isinstance(b, str) else json.dumps(b)} for i, b in enumerate(bodies)]}


def failures(answer):
    return [f["itemIdentifier"] for f in json.load(answer["Payload"])["batchItemFailures"]]


@pytest.fixture(scope="module")
def here():
    running = Installation()
    yield running
    running.close()


def javascript(here, *commands):
    """The answers of the JavaScript SDK to [("invoke" | "configuration", input) …]."""
    environment = dict(os.environ, ENDPOINT=here.server.endpoint, ACCESS_KEY=here.server.access_key,
                       SECRET_KEY=here.server.secret_key)
    out = subprocess.run(["node", str(HERE / "js/invoke.mjs")], env=environment, check=True, input=json.dumps(commands),
                         capture_output=True, text=True, timeout=60).stdout
    return [json.loads(line) for line in out.splitlines()]


def test_the_limit_closes_the_bundle_and_the_log_says_so(here):
    """Scenario 06 at a hundredth: of ten, exactly the first eight."""
    bodies = [os.urandom(512000) for _ in range(10)]
    records = [here.put(f"{i}.bin", body) for i, body in enumerate(bodies)]
    before = here.bundle_keys()
    answer = here.invoke(direct(*records), LogType="Tail", InvocationType="RequestResponse")
    assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    log = base64.b64decode(answer["LogResult"]).decode()
    assert "Predicted disk usage exceeds limit" in log and '"processed_records":8,' in log and len(log) <= 4096
    assert all(json.loads(line) for line in log.splitlines())
    payload = json.load(answer["Payload"])
    assert (payload["processed_records"], payload["remaining_records"], payload["limit_reached"]) == (8, 2, True)
    new = here.bundle_keys() - before
    assert new == {payload["bundle"]}
    members = here.members(payload["bundle"])
    assert [body for _, body in members] == bodies[:8]
    assert [name for name, _ in members] == [r["s3"]["object"]["key"] for r in records[:8]]
    assert here.members(payload["bundle"], ARCHIVE) == members


def test_what_cannot_be_bundled_is_counted_and_nothing_is_published_of_nothing(here):
    good, gone = here.put("good", b"good"), here.put("gone", b"gone")
    wrong_size, other = here.put("size", b"four"), here.put("o", b"o")
    wrong_size["s3"]["object"]["size"] = 5
    other["s3"]["bucket"]["name"] = "some-other-bucket"
    unsafe = record("direct-invoke-tests/../../evil", 1, "v", "e")
    here.s3.delete_object(Bucket=LANDING, Key=gone["s3"]["object"]["key"], VersionId=gone["s3"]["object"]["versionId"])
    payload = json.load(here.invoke(direct(good, gone, wrong_size, other, unsafe))["Payload"])
    assert (payload["processed_records"], payload["failed_records"]) == (1, 4)
    assert [body for _, body in here.members(payload["bundle"])] == [b"good"]
    before = here.bundle_keys()
    payload = json.load(here.invoke(direct(gone, unsafe))["Payload"])
    assert payload["bundle"] is None and here.bundle_keys() == before


def test_javascript_invokes_and_reads_the_configuration(here):
    answer, configuration, unknown = javascript(
        here, ("invoke", {"FunctionName": FUNCTION, "LogType": "Tail", "Payload": direct(here.put("js", b"javascript"))}),
        ("configuration", {"FunctionName": FUNCTION}), ("invoke", {"FunctionName": "no-such-function", "Payload": {}}))
    assert (answer["status"], answer["version"], answer["payload"]["processed_records"]) == (200, "$LATEST", 1)
    assert '"processed_records":1' in answer["log"]
    assert configuration["FunctionName"] == FUNCTION
    assert (unknown["exception"], unknown["status"]) == ("ResourceNotFoundException", 404)


def test_configuration(here):
    answer = here.lambda_.get_function_configuration(FunctionName=FUNCTION)
    assert answer["FunctionName"] == FUNCTION and answer["State"] == "Active"
    assert answer["Environment"]["Variables"]["ENVIRONMENT"] == "dev"
    assert here.lambda_.get_function_configuration(FunctionName=answer["FunctionArn"])["FunctionName"] == FUNCTION
    with pytest.raises(ClientError) as e:
        here.lambda_.get_function_configuration(FunctionName="no-such-function")
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert {k: e.value.response["Error"][k] for k in NOT_FOUND} == NOT_FOUND


def test_an_sqs_event_gets_a_partial_batch_answer_and_ships_once(here):
    good = [here.put(f"g{i}", b"sqs %d" % i) for i in range(2)]
    gone = record("direct-invoke-tests/never", 1, "no-such-version", "0" * 32)
    event = sqs({"Records": [good[0]]}, "not json", {"Event": "s3:TestEvent"}, {"Records": [gone]},
                {"Records": [good[1]]}, {"Records": [good[0]]})
    before = here.bundle_keys()
    assert failures(here.invoke(event)) == ["m1", "m3"]
    new = here.bundle_keys() - before
    assert sorted(body for key in new for _, body in here.members(key)) == [b"sqs 0", b"sqs 1"]
    assert failures(here.invoke(event)) == ["m1", "m3"]  # again: the ledger knows them
    assert here.bundle_keys() - before == new


@pytest.mark.parametrize("payload", [{}, {"Records": []}, [], {"Records": [{"body": "no id"}]},
                                     {"e2e_test_direct_invoke": True, "records": [{}]},
                                     {"e2e_test_direct_invoke": True}])
def test_a_payload_the_function_does_not_know_is_a_function_error(here, payload):
    answer = here.invoke(payload, LogType="Tail")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert set(json.load(answer["Payload"])) == {"errorMessage", "errorType"}


def test_dry_run_and_event(here):
    before = here.bundle_keys()
    event = direct(here.put("later", b"later"))
    assert here.invoke(event, InvocationType="DryRun")["StatusCode"] == 204
    answer = here.invoke(event, InvocationType="Event")
    assert answer["StatusCode"] == 202 and not answer["Payload"].read()
    deadline = time.monotonic() + 20
    while here.bundle_keys() == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [body for key in here.bundle_keys() - before for _, body in here.members(key)] == [b"later"]


def refused(call):
    with pytest.raises(ClientError) as e:
        call()
    return e.value.response["Error"]["Code"], e.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_refusals_of_the_api(here):
    assert refused(lambda: here.invoke(b"not json")) == ("InvalidRequestContentException", 400)
    assert refused(lambda: here.invoke({}, FunctionName="no-such-function")) == ("ResourceNotFoundException", 404)
    assert refused(lambda: here.invoke(b'"' + b"x" * (6 << 20) + b'"')) == ("RequestTooLargeException", 413)
    wrong = here.client("lambda", aws_secret_access_key="not the secret")
    nobody = here.client("lambda", aws_access_key_id="NOBODY")
    for client, code in ((wrong, "InvalidSignatureException"), (nobody, "UnrecognizedClientException")):
        assert refused(lambda c=client: c.invoke(FunctionName=FUNCTION, Payload=b"{}")) == (code, 403)
        assert refused(lambda c=client: c.get_function_configuration(FunctionName=FUNCTION)) == (code, 403)


@pytest.mark.parametrize("role, may", [("supplier", False), ("consumer", False), ("processor", True), ("admin", True)])
def test_roles(here, role, may):
    key = add_key(here.server, role)
    client = here.client("lambda", aws_access_key_id=key["access_key"], aws_secret_access_key=key["secret_key"])
    calls = (lambda: client.invoke(FunctionName=FUNCTION, Payload=b"{}"),
             lambda: client.get_function_configuration(FunctionName=FUNCTION),
             lambda: client.invoke(FunctionName="no-such-function", Payload=b"{}"))
    if may:
        assert calls[0]()["StatusCode"] == calls[1]()["ResponseMetadata"]["HTTPStatusCode"] == 200
    else:
        assert {refused(call) for call in calls} == {("AccessDeniedException", 403)}


def test_a_bucket_with_the_name_of_the_api_is_a_bucket(here):
    here.s3.create_bucket(Bucket="2015-03-31")
    key = f"functions/{FUNCTION}/invocations"
    here.s3.put_object(Bucket="2015-03-31", Key=key, Body=b"an object")
    assert here.s3.get_object(Bucket="2015-03-31", Key=key)["Body"].read() == b"an object"


def half_sent(here, access_key=None):
    """An invocation whose body does not end: it holds its slot, if the key is one."""
    url = f"{here.server.endpoint}/2015-03-31/functions/{FUNCTION}/invocations"
    request = AWSRequest("POST", url, data=b"{}" * 50, headers={"Host": here.server.endpoint.split("//")[1]})
    SigV4Auth(Credentials(access_key or here.server.access_key, here.server.secret_key), "lambda", "us-east-1").add_auth(request)
    head = "".join(f"{k}: {v}\r\n" for k, v in request.headers.items())
    host, port = here.server.endpoint.split("//")[1].split(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.sendall(f"POST /2015-03-31/functions/{FUNCTION}/invocations HTTP/1.1\r\n{head}Content-Length: 100\r\n\r\n"
                       .encode() + b"{}")
    return connection


def test_strangers_take_no_places(here):
    """Their bodies are not waited for."""
    strangers = [half_sent(here, "NOBODY") for _ in range(8)]
    try:
        assert here.invoke({})["StatusCode"] == 200
    finally:
        for connection in strangers:
            connection.close()


def test_only_a_few_run_at_a_time(here):
    held = [half_sent(here) for _ in range(SLOTS)]
    answer = None
    while answer is None and len(held) < 5 * SLOTS:
        time.sleep(0.1)
        try:
            here.invoke({})
            held.append(half_sent(here))  # one of them met a slot of the test before, and was refused itself
        except ClientError as e:
            answer = e.response
    for connection in held:
        connection.close()
    assert answer and answer["Error"]["Code"] == "TooManyRequestsException"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            here.invoke({})
            return
        except ClientError:
            time.sleep(0.05)
    pytest.fail("the slots of connections that were closed are not given back")


def test_many_at_once_all_end(here):
    records = [here.put(f"many{i}", os.urandom(200000)) for i in range(12)]
    outcomes = []

    def one(i):
        client = here.client("lambda")
        for _ in range(200):
            try:
                answer = client.invoke(FunctionName=FUNCTION, Payload=json.dumps(direct(records[i])).encode())
                outcomes.append(json.load(answer["Payload"])["processed_records"])
                return
            except ClientError as e:
                assert e.response["Error"]["Code"] == "TooManyRequestsException"
                time.sleep(0.05)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert outcomes == [1] * 12


def test_production_refuses_records_but_not_messages():
    prod = Installation("--environment", "prod")
    try:
        body = prod.put("p", b"prod")
        answer = prod.invoke(direct(body))
        assert answer["FunctionError"] == "Unhandled"
        assert json.load(answer["Payload"])["errorType"] == "DirectInvocationRefused"
        answer = javascript(prod, ("invoke", {"FunctionName": FUNCTION, "Payload": direct(body)}))[0]
        assert (answer["status"], answer["error"], answer["payload"]["errorType"]) == (200, "Unhandled", "DirectInvocationRefused")
        assert not prod.bundle_keys()
        assert not failures(prod.invoke(sqs({"Records": [body]})))
        assert len(prod.bundle_keys()) == 1
    finally:
        prod.close()
