"""`baler` as a user meets it: help, mistakes, signals, a full disk."""
import json
import os
import pathlib
import pty
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from server import ROOT, Server  # noqa: E402

BINARY = os.environ.get("BALER_BIN", str(ROOT / "build/src/cli/baler"))
LANDING, DISTRIBUTION = "data-aggregator-landing-dev", "data-aggregator-distribution-dev"


def baler(*words, environment=None, timeout=20):
    return subprocess.run([BINARY, *words], env=dict(os.environ, **(environment or {})), capture_output=True, text=True,
                          timeout=timeout, check=False)


def client(endpoint, access_key, secret_key):
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=access_key,
        aws_secret_access_key=secret_key, config=Config(retries={"max_attempts": 1, "mode": "standard"}))


@pytest.fixture
def server(tmp_path):
    running = Server("--batch-window", "500ms", data=str(tmp_path / "s"))
    yield running
    if running.process.poll() is None:
        assert running.stop() == 0, running.log_tail()


def test_help_lists_the_commands():
    answer = baler("--help")
    assert answer.returncode == 0
    for word in ("serve", "e2e", "baler help COMMAND"):
        assert word in answer.stdout


@pytest.mark.parametrize("limit", [6, 9, 10, 11, 12, 13, 16, 40, 63])
def test_too_few_open_files_refuse_the_start_at_once(limit, tmp_path):
    def limited():
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    answer = subprocess.run([BINARY, "serve", "--data", str(tmp_path / "d"), "--listen", "127.0.0.1:0"], capture_output=True, text=True,
                            timeout=20, check=False, preexec_fn=limited)
    assert answer.returncode == 2
    assert f"the limit of open files is {limit}" in answer.stderr and "ulimit -n" in answer.stderr


@pytest.mark.parametrize("words", [("help", "serve"), ("serve", "--help"), ("serve", "-h")])
def test_help_of_a_command_names_each_setting_with_default_and_variable(words):
    answer = baler(*words)
    assert answer.returncode == 0
    for word in ("--batch-window TIME", "default 15s", "variable BALER_BATCH_WINDOW", "127.0.0.1:9000", "./baler-data"):
        assert word in answer.stdout


COMMANDS = ("serve", "e2e", "pull", "verify", "list", "replay", "status", "deadletter", "where", "key")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command):
    answers = [baler(*words) for words in ((command, "--help"), (command, "-h"), ("help", command))]
    assert {a.returncode for a in answers} == {0} and len({a.stdout for a in answers}) == 1
    text = answers[0].stdout
    assert text.startswith(f"usage: baler {command} ")
    assert all(part in text for part in ("\noptions:\n", "\nexit status:\n  0 ", "\nexamples:\n"))
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("word", COMMANDS)
def test_a_command_spelt_wrong_is_answered_with_the_nearest(word):
    for words in ((word[:-1] + "x",), ("help", word[:-1] + "x")):
        answer = baler(*words)
        assert answer.returncode == 2 and f"did you mean '{word}'?" in answer.stderr


def test_help_of_help_is_help():
    assert baler("help", "help").stdout == baler("help", "version").stdout == baler("help").stdout != ""


def test_version():
    answer = baler("--version")
    assert answer.returncode == 0 and answer.stdout.startswith("baler ")


def test_no_command_prints_usage_and_is_an_error():
    answer = baler()
    assert answer.returncode == 2 and "usage: baler COMMAND" in answer.stderr


@pytest.mark.parametrize("words, says", [
    (("serv",), "did you mean 'serve'?"),
    (("help", "serv"), "did you mean 'serve'?"),
    (("serve", "--batch-windw", "3s"), "did you mean '--batch-window'?"),
    (("serve", "--batch-window", "0s"), "'--batch-window': '0s' is out of range, 100ms to 12h"),
    (("serve", "--compression", "zip"), "one of balanced|fast|best|none"),
    (("serve", "--listen", "127.0.0.1:99999"), "is not a port"),
    (("serve", "extra"), "takes no operand such as 'extra'"),
    (("serve", "--landing-bucket", "Upper_Case"), "'Upper_Case' is not a bucket name"),
    (("serve", "--config", "/nowhere.yaml"), "/nowhere.yaml"),
])
def test_mistakes_are_explained_and_exit_2(tmp_path, words, says):
    answer = subprocess.run([BINARY, *words], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert answer.returncode == 2
    assert says in answer.stderr
    assert not (tmp_path / "baler-data").exists()


def test_a_setting_out_of_range_in_the_environment_names_the_variable(tmp_path):
    answer = baler("serve", "--data", str(tmp_path / "d"), environment={"BALER_BATCH_MAX_OBJECTS": "0"})
    assert answer.returncode == 2 and "'BALER_BATCH_MAX_OBJECTS': '0' is out of range" in answer.stderr


def test_a_data_folder_in_use_says_by_whom(server):
    answer = baler("serve", "--data", os.path.join(server.folder, "data"), "--listen", "127.0.0.1:0")
    assert answer.returncode == 2
    assert str(server.process.pid) in answer.stderr


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    answer = baler("serve", "--data", str(tmp_path), "--listen", "127.0.0.1:0")
    assert answer.returncode == 2 and str(tmp_path) in answer.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


def test_a_port_in_use_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = baler("serve", "--data", str(tmp_path / "d"), "--listen", f"127.0.0.1:{port}")
    assert answer.returncode == 2
    assert str(port) in answer.stderr and "in use" in answer.stderr


def test_a_data_folder_that_cannot_be_made_is_no_failure_of_running(tmp_path):
    (tmp_path / "file").write_text("")
    answer = baler("serve", "--data", str(tmp_path / "file" / "d"), "--listen", "127.0.0.1:0")
    assert answer.returncode == 2 and "file/d" in answer.stderr and "Not a directory" in answer.stderr


def test_a_key_made_by_a_start_that_failed_is_shown_by_the_next(tmp_path):
    folder = str(tmp_path / "d")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BALER_ROOT")}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = subprocess.run([BINARY, "serve", "--data", folder, "--listen", f"127.0.0.1:{taken.getsockname()[1]}"],
                                env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert answer.returncode == 2 and "AWS_SECRET" not in answer.stdout
    assert "AWS_SECRET_ACCESS_KEY=" in start_without_keys(folder)


def test_on_a_terminal_it_says_what_to_do_next(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BALER_ROOT")}
    for expected in ("a new root key", f"the root key is in {tmp_path}/d/root-key"):
        master, slave = pty.openpty()
        process = subprocess.Popen([BINARY, "serve", "--data", str(tmp_path / "d"), "--listen", "127.0.0.1:0"], env=environment,
                                   stdout=slave, stderr=subprocess.DEVNULL)
        os.close(slave)
        shown = ""
        while "Ctrl-C" not in shown:
            shown += os.read(master, 4096).decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
        os.close(master)
        assert expected in shown and f"s3://{LANDING}/data/" in shown and f"s3://{DISTRIBUTION}" in shown
        # what is shown can be pasted into a shell as it stands, but for its first line
        assert all(line.startswith(("#", "export ")) for line in shown.splitlines()[1:] if line)


def start_without_keys(folder):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BALER_ROOT")}
    process = subprocess.Popen([BINARY, "serve", "--data", folder, "--listen", "127.0.0.1:0"], env=environment,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline().startswith("listening on http://")
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    rest = process.stdout.read()
    assert process.wait(10) == 0
    return rest


def test_the_first_start_shows_a_random_root_key_once(tmp_path):
    folder = str(tmp_path / "d")
    first, second = start_without_keys(folder), start_without_keys(folder)
    shown = dict(w.split("=", 1) for line in first.splitlines() if line.startswith("export ")
                 for w in line.split()[1:])
    assert set(shown) >= {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"}
    assert len(shown["AWS_SECRET_ACCESS_KEY"]) >= 32
    assert "AWS_SECRET" not in second
    mode = os.stat(os.path.join(folder, "root-key")).st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_the_secret_is_not_in_the_process_environment_or_the_log(server):
    try:
        environment = pathlib.Path(f"/proc/{server.process.pid}/environ").read_bytes()
    except PermissionError:
        environment = b""  # root alone may look, and we are not root
    assert server.secret_key.encode() not in environment
    assert server.secret_key not in server.log_tail()


def test_the_default_buckets_are_there_and_versioned(server):
    s3 = client(server.endpoint, server.access_key, server.secret_key)
    names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert names == [f"data-aggregator-{r}-dev" for r in ("archive", "distribution", "landing")]
    assert s3.get_bucket_versioning(Bucket=LANDING)["Status"] == "Enabled"


def in_a_terminal(folder, before="true"):
    """Run with a terminal of its own by a shell; closing the returned end is closing the window."""
    child, window = pty.fork()
    if child == 0:
        os.execv("/bin/sh", ["sh", "-c", f'{before}; exec "$@"', "sh", BINARY, "serve", "--data", str(folder), "--listen", "127.0.0.1:0"])
    shown = b""
    while b"listening on " not in shown:
        shown += os.read(window, 4096)
    return child, window


def has_ended(pid, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return True
        time.sleep(0.1)
    return False


def test_a_terminal_that_is_closed_ends_it(tmp_path):
    child, window = in_a_terminal(tmp_path / "d")
    os.close(window)
    assert has_ended(child, 12)


def test_nohup_keeps_it_when_the_terminal_is_closed(tmp_path):
    child, window = in_a_terminal(tmp_path / "d", before="trap '' HUP")  # as nohup does
    os.close(window)
    assert not has_ended(child, 1.5)
    os.kill(child, signal.SIGTERM)
    assert has_ended(child, 12)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_under_load_ends_it_cleanly_within_10_s(server, name):
    s3 = client(server.endpoint, server.access_key, server.secret_key)
    stop = threading.Event()
    kept = []

    def supply():
        while not stop.is_set():
            key = f"data/{len(kept)}"
            try:
                s3.put_object(Bucket=LANDING, Key=key, Body=os.urandom(20000))
            except Exception:  # pylint: disable=broad-except  # it is going away
                return
            kept.append(key)

    thread = threading.Thread(target=supply)
    thread.start()
    time.sleep(1.5)
    begun = time.monotonic()
    server.process.send_signal(getattr(signal, name))
    assert server.process.wait(12) == 0, server.log_tail()
    assert time.monotonic() - begun < 10
    stop.set()
    thread.join()
    again = Server("--batch-window", "500ms", data=server.folder, keys=(server.access_key, server.secret_key))
    s3 = client(again.endpoint, server.access_key, server.secret_key)
    assert kept
    for key in kept:
        s3.head_object(Bucket=LANDING, Key=key)
    assert again.stop() == 0


def test_every_log_line_in_a_pipe_is_json(server):
    s3 = client(server.endpoint, server.access_key, server.secret_key)
    s3.put_object(Bucket=LANDING, Key="data/x\x1b[31m", Body=b"x")
    time.sleep(1.2)
    for line in server.log_tail().splitlines():
        event = json.loads(line)
        assert event["level"] and event["event"] and event["time"]


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True,
                      check=False).returncode:
        pytest.skip("cannot mount a small disk here (needs root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("size", [50_000, 1_000_000])
def test_a_full_disk_refuses_and_goes_on_when_there_is_room(small_disk, size):
    server = Server("--batch-window", "10m", data=str(small_disk / "s"))
    s3 = client(server.endpoint, server.access_key, server.secret_key)
    kept, refused = {}, None
    for i in range(2000):
        body = os.urandom(size)
        try:
            s3.put_object(Bucket=LANDING, Key=f"other/{i}", Body=body)
        except ClientError as error:
            refused = (f"other/{i}", error.response)
            break
        kept[f"other/{i}"] = body
    assert refused and kept
    assert refused[1]["ResponseMetadata"]["HTTPStatusCode"] in (503, 507)
    listed = [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=LANDING)
              for o in page.get("Contents", [])]
    assert sorted(listed) == sorted(kept)

    with open(small_disk / "others", "wb", buffering=0) as others:  # somebody else takes what is left, to the last byte
        with pytest.raises(OSError):
            while True:
                others.write(bytes(4096))
    assert server.stop() == 0
    server = Server("--batch-window", "10m", data=str(small_disk / "s"))
    s3 = client(server.endpoint, server.access_key, server.secret_key)
    gone = sorted(kept)[0]
    for version in s3.list_object_versions(Bucket=LANDING, Prefix=gone)["Versions"]:
        s3.delete_object(Bucket=LANDING, Key=version["Key"], VersionId=version["VersionId"])
        kept.pop(version["Key"])
    for key, body in kept.items():
        assert s3.get_object(Bucket=LANDING, Key=key)["Body"].read() == body

    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    s3.put_object(Bucket=LANDING, Key=refused[0], Body=b"now")
    assert s3.get_object(Bucket=LANDING, Key=refused[0])["Body"].read() == b"now"
    for key, body in kept.items():
        assert s3.get_object(Bucket=LANDING, Key=key)["Body"].read() == body
    assert server.stop() == 0
    shutil.rmtree(small_disk / "s")
