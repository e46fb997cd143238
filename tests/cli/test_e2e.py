"""`baler e2e` against a running `baler serve`: its scenarios, its exit codes, what it prints and writes."""
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import socket
import ssl
import struct
import subprocess
import sys
import termios
import threading
import xml.etree.ElementTree

import boto3
import pytest
from botocore.config import Config

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from server import ROOT, Server  # noqa: E402

from fake_function import FakeFunction  # noqa: E402

BINARY = os.environ.get("BALER_BIN", str(ROOT / "build/src/cli/baler"))
SCENARIOS = ROOT / "scenarios"
LANDING, DISTRIBUTION = "data-aggregator-landing-dev", "data-aggregator-distribution-dev"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server("--batch-window", "200ms", data=str(tmp_path_factory.mktemp("e2e") / "s"))
    yield running
    assert running.stop() == 0, running.log_tail()


def environment(server, **more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return dict(kept, AWS_ENDPOINT_URL=server.endpoint, AWS_ACCESS_KEY_ID=server.access_key,
                AWS_SECRET_ACCESS_KEY=server.secret_key, HOME="/nonexistent", **more)


def e2e(server, *words, timeout=180, **more):
    return subprocess.run([BINARY, "e2e", *map(str, words)], env=environment(server, **more), capture_output=True,
                          text=True, timeout=timeout, check=False)


def client(server):
    return boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1",
                        aws_access_key_id=server.access_key, aws_secret_access_key=server.secret_key,
                        config=Config(retries={"max_attempts": 1, "mode": "standard"}))


def scenario(tmp_path, **members):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(members))
    return path


@pytest.mark.parametrize("name", ["00-single-file", "01-batching", "02-large-file", "03-zero-byte", "05-compressible",
                                  "07-idempotency"])
def test_each_scenario_passes(server, name):
    answer = e2e(server, "-c", SCENARIOS / f"{name}.json")
    assert answer.returncode == 0, answer.stderr
    assert f"PASS {name}: " in answer.stderr


@pytest.mark.parametrize("times, keep", [(20, []), (5, ["--keep-files"])])
def test_07_passes_many_times_in_a_row_without_a_pause(server, times, keep):
    answer = e2e(server, "-c", SCENARIOS / "07-idempotency.json", "--repeat", times, "--json", *keep)
    assert answer.returncode == 0, answer.stderr
    runs = json.loads(answer.stdout)["runs"]
    assert len(runs) == times and all(run["passed"] and run["bundles"] == 2 for run in runs)
    assert answer.stderr.endswith(f"{times} of {times} runs passed\n")


def test_a_pass_removes_its_files_and_bundles(server):
    answer = e2e(server, "-c", SCENARIOS / "00-single-file.json", "--json")
    prefix = json.loads(answer.stdout)["runs"][0]["prefix"]
    versions = client(server).list_object_versions(Bucket=LANDING, Prefix=prefix)
    assert "Versions" not in versions and "DeleteMarkers" not in versions


def test_keep_files_leaves_them(server, tmp_path):
    answer = e2e(server, "-c", scenario(tmp_path, num_files=3, size_mb=0, keep_files=True), "--json")
    prefix = json.loads(answer.stdout)["runs"][0]["prefix"]
    keys = [o["Key"] for o in client(server).list_objects_v2(Bucket=LANDING, Prefix=prefix)["Contents"]]
    assert keys == [f"{prefix}source_file_000{i}.bin" for i in (1, 2, 3)]


def test_the_report_is_junit(server, tmp_path):
    report = tmp_path / "report.xml"
    answer = e2e(server, "-c", SCENARIOS / "03-zero-byte.json", "--report", report, "--repeat", 2)
    assert answer.returncode == 0, answer.stderr
    suite = xml.etree.ElementTree.parse(report).getroot()
    assert suite.tag == "testsuite" and suite.get("tests") == "2" and suite.get("failures") == "0"
    assert [c.get("name") for c in suite] == ["03-zero-byte run 1", "03-zero-byte run 2"]


def test_the_scenario_can_name_the_report(server, tmp_path):
    report = tmp_path / "named.xml"
    answer = e2e(server, "-c", scenario(tmp_path, size_mb=0, report_file=str(report)))
    assert answer.returncode == 0 and xml.etree.ElementTree.parse(report).getroot().get("tests") == "1"


def test_each_of_several_scenarios_can_name_its_report(server, tmp_path):
    folder = folder_of_three(tmp_path, size_mb=0, report_file=str(tmp_path / "of-c.xml"))
    answer = e2e(server, "--all", folder, "--repeat", 2)
    assert answer.returncode == 0, answer.stderr
    suite = xml.etree.ElementTree.parse(tmp_path / "of-c.xml").getroot()
    assert [c.get("name") for c in suite] == ["c run 1", "c run 2"]
    answer = e2e(server, "--all", folder, "--report", tmp_path / "one.xml", "--scale", "0.1")
    assert xml.etree.ElementTree.parse(tmp_path / "one.xml").getroot().get("tests") == "3"
    assert xml.etree.ElementTree.parse(tmp_path / "of-c.xml").getroot().get("tests") == "2"  # as it was


@pytest.mark.parametrize("flag", [True, False])
def test_a_report_that_cannot_be_written_is_told_before_the_run(server, tmp_path, flag):
    members = {"size_mb": 0} if flag else {"size_mb": 0, "report_file": "/nowhere/r.xml"}
    answer = e2e(server, "-c", scenario(tmp_path, **members), *(["--report", "/nowhere/r.xml"] if flag else []))
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1 and "report '/nowhere/r.xml'" in answer.stderr, answer.stderr


def test_no_credentials_are_2(server):
    wrong = {k: v for k, v in environment(server).items() if k not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    answer = subprocess.run([BINARY, "e2e", "-c", SCENARIOS / "00-single-file.json"], env=wrong, capture_output=True,
                            text=True, timeout=60, check=False)
    assert answer.returncode == 2 and answer.stderr.startswith("baler e2e: no AWS credentials: set AWS_ACCESS_KEY_ID")


def test_a_scenario_that_is_no_json_is_2(server, tmp_path):
    (tmp_path / "bad.json").write_text("{bad")
    answer = e2e(server, "-c", tmp_path / "bad.json")
    assert answer.returncode == 2 and "bad.json': not JSON: " in answer.stderr and answer.stderr.count("\n") == 1


def test_a_process_that_is_not_there_is_2(server, tmp_path):
    answer = e2e(server, "-c", scenario(tmp_path, size_mb=0), "--server-pid", 4194305)
    assert answer.returncode == 2 and "memory of process 4194305" in answer.stderr, answer.stderr


def test_what_does_not_arrive_fails_with_1(server, tmp_path):
    """Objects of a bucket that nobody bundles."""
    s3, report = client(server), tmp_path / "failed.xml"
    s3.create_bucket(Bucket="nobody-bundles-this")
    path = scenario(tmp_path, landing_bucket="nobody-bundles-this", num_files=2, size_mb=0, timeout_seconds=100)
    answer = e2e(server, "-c", path, "--report", report, "--timeout", "1s")
    assert answer.returncode == 1
    assert "FAIL mine: 0 of 2 files" in answer.stderr and "within 1 s" in answer.stderr
    assert answer.stderr.count("missing: 'data/e2e-test-") == 2
    assert "left under 'data/e2e-test-" in answer.stderr
    failure = xml.etree.ElementTree.parse(report).getroot().find("testcase/failure")
    assert "within 1 s" in failure.get("message") and "missing" in failure.text
    assert len(s3.list_objects_v2(Bucket="nobody-bundles-this")["Contents"]) == 2


@pytest.mark.parametrize("members, says", [
    ({"num_fils": 1}, "unknown member 'num_fils'"),
    ({"num_files": "one"}, "'num_files' must be a whole number from 1 to 1000000"),
    ({"test_type": "direct"}, "direct_invoke, memory_pressure"),
    ({"test_type": "key_sanitization"}, "'num_files' of a key_sanitization must be 2"),
    ({"landing_bucket": "no-such-bucket"}, "'no-such-bucket'"),
    ({"distribution_bucket": "no-such-bucket"}, "'no-such-bucket'"),
])
def test_what_cannot_be_set_up_is_2(server, tmp_path, members, says):
    answer = e2e(server, "-c", scenario(tmp_path, **members))
    assert answer.returncode == 2 and says in answer.stderr and answer.stderr.count("\n") <= 3, answer.stderr


@pytest.mark.parametrize("words, says", [
    ([], "give -c FILE"),
    (["-c", "/nowhere.json"], "/nowhere.json"),
    (["scenario.json"], "scenario 'scenario.json': No such file"),
    (["-c", str(SCENARIOS)], "is a folder: give --all"),
    ([str(SCENARIOS)], "is a folder: give --all"),
    (["-c", "x", "--timeout", "100ms"], "'--timeout'"),
    (["--all", "/nowhere"], "scenario '/nowhere': No such file"),
    (["--all", str(ROOT / "src")], "no scenario (*.json) in"),
    (["-c", "x", "--scale", "0"], "'--scale': '0' is not a number above 0, at most 1"),
    (["-c", "x", "--scale", "1.5"], "'--scale'"),
    (["-c", "x", "--scale", "half"], "'--scale'"),
    (["-c", "x", "--repeat", "0"], "'--repeat'"),
    (["-c", "x", "--keep-file"], "did you mean '--keep-files'?"),
    (["-c", str(SCENARIOS / "00-single-file.json"), "--endpoint-url", "localhost:9000"], "http://"),
])
def test_wrong_words_are_2(server, words, says):
    answer = e2e(server, *words)
    assert answer.returncode == 2 and says in answer.stderr, answer.stderr


def test_a_wrong_key_is_2(server):
    answer = e2e(server, "-c", SCENARIOS / "00-single-file.json", AWS_PROFILE="")
    assert answer.returncode == 0, answer.stderr
    wrong = environment(server) | {"AWS_SECRET_ACCESS_KEY": "wrong"}
    answer = subprocess.run([BINARY, "e2e", "-c", SCENARIOS / "00-single-file.json"], env=wrong, capture_output=True,
                            text=True, timeout=60, check=False)
    assert answer.returncode == 2 and "SignatureDoesNotMatch" in answer.stderr, answer.stderr


def test_nobody_listening_is_2(server):
    answer = e2e(server, "-c", SCENARIOS / "00-single-file.json", "--endpoint-url", "http://127.0.0.1:1")
    assert answer.returncode == 2 and "127.0.0.1" in answer.stderr, answer.stderr


def run_direct(server, path, limit_mib=2, wrong=None):
    function = FakeFunction(client(server), DISTRIBUTION, limit_mib << 20, wrong)
    try:
        answer = e2e(server, "-c", path, "--bundle-limit", "2MiB", "--json", AWS_ENDPOINT_URL_LAMBDA=function.endpoint)
    finally:
        function.close()
    return answer, function.calls


@pytest.mark.parametrize("test_type, files", [("direct_invoke", 2), ("memory_pressure", 3)])
def test_a_direct_invocation_is_signed_for_lambda_and_asks_for_the_log(server, tmp_path, test_type, files):
    path = scenario(tmp_path, test_type=test_type, num_files=3, lambda_function_name="my-function", timeout_seconds=20)
    answer, calls = run_direct(server, path)
    assert answer.returncode == 0, answer.stderr
    run = json.loads(answer.stdout)["runs"][0]
    assert (run["files"], run["found"], run["bundles"]) == (files, 2, 1)
    target, headers, event = calls[0]
    headers = {name.lower(): value for name, value in headers.items()}
    assert len(calls) == 1 and target == "/2015-03-31/functions/my-function/invocations"
    assert headers["x-amz-log-type"] == "Tail"
    assert f"Credential={server.access_key}/" in headers["authorization"]
    assert "/us-east-1/lambda/aws4_request" in headers["authorization"]
    assert event["e2e_test_direct_invoke"] is True
    keys = [record["s3"]["object"]["key"] for record in event["records"]]
    assert keys == [f"{run['prefix']}source_file_000{i}.bin" for i in (1, 2, 3)]
    assert run["prefix"].startswith("direct-invoke-tests/e2e-test-")
    assert {record["s3"]["object"]["size"] for record in event["records"]} == {1 << 20}


@pytest.mark.parametrize("wrong, says", [
    ("greedy", "unwanted: 'direct-invoke-tests/"),
    ("quiet", "does not say 'Predicted disk usage exceeds limit'"),
    ("failing", "the function failed: {\"errorMessage\":\"no space left\"}"),
    ("denied", "HTTP 403 AccessDeniedException: not with these keys"),
])
def test_a_wrong_function_fails(server, tmp_path, wrong, says):
    answer, _ = run_direct(server, scenario(tmp_path, test_type="direct_invoke", num_files=3, timeout_seconds=20), wrong=wrong)
    assert answer.returncode == 1 and says in answer.stderr, answer.stderr


def test_a_function_nobody_answers_for_fails(server, tmp_path):
    path = scenario(tmp_path, test_type="direct_invoke", num_files=3)
    answer = e2e(server, "-c", path, AWS_ENDPOINT_URL_LAMBDA="http://127.0.0.1:1")
    assert answer.returncode == 1 and "function 'data-aggregator-processor-dev'" in answer.stderr, answer.stderr


def folder_of_three(tmp_path, **third):
    folder = tmp_path / "some"
    folder.mkdir()
    for name, members in {"a": {"num_files": 3}, "b": {"size_mb": 0}, "c": third}.items():
        (folder / f"{name}.json").write_text(json.dumps(members))
    return folder


def test_several_scenarios_give_one_table_and_one_report(server, tmp_path):
    report = tmp_path / "all.xml"
    answer = e2e(server, "--all", folder_of_three(tmp_path), "--report", report, "--repeat", 2)
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert len({len(line) for line in lines[:4]}) == 1, answer.stdout  # columns
    assert [line.split()[:4] for line in lines[1:4]] == [[name, "PASS", "2/2", files] for name, files in
                                                         (("a", "3/3"), ("b", "1/1"), ("c", "1/1"))]
    assert lines[4].startswith("6 of 6 passed; ")
    suite = xml.etree.ElementTree.parse(report).getroot()
    assert suite.get("name") == "baler e2e" and suite.get("tests") == "6" and suite.find("properties") is None


def test_what_cannot_be_set_up_does_not_stop_the_others(server, tmp_path):
    report = tmp_path / "all.xml"
    folder = folder_of_three(tmp_path, landing_bucket="no-such-bucket")
    answer = e2e(server, "--all", folder, folder / "b.json", "--report", report)
    assert answer.returncode == 2 and "ERROR" in answer.stdout, answer.stderr
    assert "3 of 4 passed, 1 could not be set up" in answer.stdout
    suite = xml.etree.ElementTree.parse(report).getroot()
    assert suite.get("errors") == "1" and "no-such-bucket" in suite.find("testcase/error").get("message")


def test_one_failure_among_several_is_1(server, tmp_path):
    client(server).create_bucket(Bucket="nobody-looks-here")
    folder = folder_of_three(tmp_path, landing_bucket="nobody-looks-here", timeout_seconds=1)
    answer = e2e(server, "--all", folder, "--json")
    runs = json.loads(answer.stdout)["runs"]
    assert answer.returncode == 1 and [run["passed"] for run in runs] == [True, True, False]


def test_a_scaled_run_says_so_everywhere(server, tmp_path):
    report = tmp_path / "scaled.xml"
    path = scenario(tmp_path, num_files=30, size_mb=2)
    answer = e2e(server, "-c", path, "--scale", "0.1", "--report", report, "--json")
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["scale"] == 0.1 and told["runs"][0]["files"] == 3 and told["runs"][0]["source_bytes"] == 3 << 20
    suite = xml.etree.ElementTree.parse(report).getroot()
    assert suite.get("name") == "mine (scale 0.1)"
    assert suite.find("properties/property").attrib == {"name": "scale", "value": "0.1"}
    answer = e2e(server, path, path, "--scale", "0.1")
    assert answer.stdout.endswith("; scaled by 0.1, not the full size\n")


def test_the_servers_memory_is_told(server, tmp_path):
    answer = e2e(server, "-c", scenario(tmp_path, size_mb=4), "--json", "--server-pid", server.process.pid)
    assert answer.returncode == 0, answer.stderr
    assert 1 << 20 < json.loads(answer.stdout)["runs"][0]["server_peak_bytes"] < 256 << 20
    answer = e2e(server, "-c", scenario(tmp_path, size_mb=0), "--report", tmp_path / "r.xml", "--server-pid", server.process.pid)
    told = xml.etree.ElementTree.parse(tmp_path / "r.xml").getroot().find("testcase/properties/property[@name='server_peak_bytes']")
    assert 1 << 20 < int(told.get("value")) < 256 << 20


def peak_of(server, path):
    """Bytes that `baler e2e` itself holds at most."""
    with subprocess.Popen([BINARY, "e2e", "-c", path], env=environment(server), stderr=subprocess.DEVNULL) as run:
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    assert run.returncode == 0
    return usage.ru_maxrss << 10


def test_the_client_stays_small_whatever_the_number_and_size_of_files(server, tmp_path):
    one = peak_of(server, scenario(tmp_path, size_mb=0, concurrency=8))
    many = peak_of(server, scenario(tmp_path, size_mb=0, concurrency=8, num_files=600))
    large = peak_of(server, scenario(tmp_path, size_mb=40, generator_type="compressible"))
    assert many - one < 3 << 20 and large - one < 3 << 20, (one, many, large)


def test_memory_that_could_not_be_seen_is_said(server, tmp_path):
    answer, _ = run_direct(server, scenario(tmp_path, test_type="memory_pressure", num_files=1, timeout_seconds=20))
    assert answer.returncode == 0 and "the server's memory was not judged" in answer.stderr, answer.stderr
    assert json.loads(answer.stdout)["runs"][0]["memory_judged"] is False


class TlsFront:
    """A TLS server with a certificate of its own in front of the real one: bytes through, both ways."""

    def __init__(self, server, folder):
        self.certificate, key = folder / "cert.pem", folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                        "-out", self.certificate], check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.target = ("127.0.0.1", int(server.endpoint.rsplit(":", 1)[1]))
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                plain, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain):
        try:
            with self.context.wrap_socket(plain, server_side=True) as client, \
                    socket.create_connection(self.target) as upstream:
                client.setblocking(False)
                self._pump(client, upstream)
        except OSError:
            pass  # a client that does not trust us hangs up

    @staticmethod
    def _pump(client, upstream):
        while True:
            ready, _, _ = select.select([client, upstream], [], [], 20)
            if not ready:
                return
            if upstream in ready:
                data = upstream.recv(65536)
                client.setblocking(True)
                client.sendall(data)
                client.setblocking(False)
                if not data:
                    return
            try:
                while data := client.recv(65536):
                    upstream.sendall(data)
                return
            except ssl.SSLWantReadError:
                pass


def test_over_tls_only_a_trusted_certificate_will_do(server, tmp_path):
    front = TlsFront(server, tmp_path)
    path = scenario(tmp_path, num_files=2, size_mb=2, concurrency=2)
    answer = e2e(server, "-c", path, "--endpoint-url", front.url)
    assert answer.returncode == 2 and "certificate" in answer.stderr, answer.stderr
    answer = e2e(server, "-c", path, "--endpoint-url", front.url, AWS_CA_BUNDLE=str(front.certificate))
    assert answer.returncode == 0, answer.stderr
    front.socket.close()


def test_a_pipe_gets_plain_lines(server):
    answer = e2e(server, "-c", SCENARIOS / "03-zero-byte.json")
    assert "\r" not in answer.stderr and "\033" not in answer.stderr
    assert "03-zero-byte: uploading: " in answer.stderr


@pytest.mark.parametrize("flag", [True, False])
def test_verbose_names_each_bundle(server, tmp_path, flag):
    members, words = ({"size_mb": 0}, ["--verbose"]) if flag else ({"size_mb": 0, "verbose": True}, [])
    answer = e2e(server, "-c", scenario(tmp_path, **members), *words)
    assert answer.returncode == 0 and "mine: read '2" in answer.stderr and ".tar.gz', " in answer.stderr, answer.stderr


def on_a_terminal(server, columns, *words):
    """Exit status and what a terminal of that width gets to show."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([BINARY, "e2e", *map(str, words)], env=environment(server), stdout=subprocess.DEVNULL,
                          stderr=theirs) as run:
        os.close(theirs)
        text = b""
        try:
            while piece := os.read(ours, 4096):
                text += piece
        except OSError:
            pass  # the other end is closed
    os.close(ours)
    return run.returncode, text.decode()


def test_a_terminal_gets_one_live_line(server):
    status, text = on_a_terminal(server, 80, "-c", SCENARIOS / "03-zero-byte.json")
    assert status == 0 and "\r03-zero-byte: waiting: " in text and text.count("\n") == 1, text


@pytest.mark.parametrize("columns", [120, 80, 40])
def test_a_long_wait_has_a_bar_that_fits(server, tmp_path, columns):
    client(server).create_bucket(Bucket=f"nobody-waits-{columns}")
    path = scenario(tmp_path, landing_bucket=f"nobody-waits-{columns}", size_mb=1, num_files=3)
    status, text = on_a_terminal(server, columns, "-c", path, "--timeout", "3s")
    lines = [re.sub(r"\033\[K", "", line) for line in re.split(r"[\r\n]+", text) if line.startswith("mine: ")]
    assert status == 1 and max(map(len, lines)) < columns, lines
    if columns > 60:
        assert re.search(r"mine: waiting: \[-{4,24}\] 0 %, 0 of 3 files verified, 0 B/s", "\n".join(lines)), lines
