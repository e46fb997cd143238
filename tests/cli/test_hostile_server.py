"""Every command against a server that wishes it ill: it ends soon, in little memory, says so, and nothing of the answer is obeyed by a terminal."""
import json
import os
import pathlib
import pty
import re
import sqlite3
import subprocess
import sys
import time
import unicodedata

import pytest

import hostile_server
from consuming import BINARY, LANDING, ROOT, World
from hostile_server import BEHAVIOURS, EVIL, ID, HostileServer

SECONDS = 20
MEMORY_KIB = 220 * 1024   # an answer of 16 MiB is read whole and parsed
# command: the words, and whether it asks the admin API
COMMANDS = {
    "status": ["status"], "status --json": ["status", "--json"], "status --check": ["status", "--check"],
    "where": ["where", "s3://b/k"], "where, many": ["where", "s3://b/k", "s3://b/k2"], "where --json": ["where", "s3://b/k", "--json"],
    "deadletter list": ["deadletter", "list"], "deadletter list --json": ["deadletter", "list", "--json"],
    "deadletter show": ["deadletter", "show", ID], "deadletter show --json": ["deadletter", "show", ID, "--json"],
    "deadletter redrive": ["deadletter", "redrive", ID], "deadletter redrive --all": ["deadletter", "redrive", "--all"],
    "deadletter redrive --json": ["deadletter", "redrive", ID, "--json"], "deadletter drop": ["deadletter", "drop", ID],
    "key add": ["key", "add", "--role", "supplier"], "key add --json": ["key", "add", "--role", "supplier", "--json"],
    "key list": ["key", "list"], "key list --json": ["key", "list", "--json"], "key revoke": ["key", "revoke", "AKIA1"],
    "pull": ["pull", "--to", "{to}"], "pull --json": ["pull", "--to", "{to}", "--json"],
    "verify": ["verify", "s3://b/bundle-1.tar.gz"], "verify --json": ["verify", "s3://b/bundle-1.tar.gz", "--json"],
    "list": ["list", "s3://b/bundle-1.tar.gz"], "list --json": ["list", "s3://b/bundle-1.tar.gz", "--json"],
    "replay": ["replay", "bundle-1.tar.gz"], "replay --since": ["replay", "--since", "9000d"],
    "replay --json": ["replay", "--since", "9000d", "--json"],
    "e2e": ["e2e", "-c", str(ROOT / "scenarios/01-batching.json"), "--scale", "0.02", "--timeout", "1s", "--verbose"],
    "e2e --json": ["e2e", "-c", str(ROOT / "scenarios/01-batching.json"), "--scale", "0.02", "--timeout", "1s", "--json"],
}
# What the program itself writes to a terminal: line ends, "write this line anew", "clear the screen".
OWN_SEQUENCES = re.compile(r"\r\n|\r\x1b\[K|\r(?=[^\n])|\x1b\[K|\x1b\[H\x1b\[2J")


@pytest.fixture(scope="module", name="server")
def one_server():
    server = HostileServer()
    yield server
    server.close()


def environment(server, home):
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": server.endpoint, "AWS_MAX_ATTEMPTS": "1", "TERM": "xterm"}


def is_obeyed(c):
    return unicodedata.category(c) in ("Cc", "Zl", "Zp") and c not in "\n\t" or c in "\u061c\u200e\u200f\ufeff" or "\u202a" <= c <= "\u202e" or \
        "\u2066" <= c <= "\u2069"


def check_text(raw):
    text = raw.decode("utf-8")       # strict: a raw byte 0x9b is CSI to an 8-bit terminal
    bad = {c for c in text if is_obeyed(c)}    # a tab parts the fields of 'where', and inside a field it is shown as '?'
    assert not bad, (bad, text[:2000])
    return text


def words_of(command, tmp_path):
    return [BINARY, *(w.replace("{to}", str(tmp_path / "to")) for w in COMMANDS[command])]


# Runs commands from a small process of its own: Linux counts the memory of the process that forks as the child's peak, and pytest is large.
SPAWNER = """
import json, os, subprocess, sys, threading
for line in sys.stdin:
    words, environment, out, err, seconds = json.loads(line)
    with open(out, "wb") as o, open(err, "wb") as e:
        process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=o, stderr=e)
        killer = threading.Timer(seconds, process.kill)
        killer.start()
        _, status, usage = os.wait4(process.pid, 0)
        killer.cancel()
    print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss]), flush=True)
"""


@pytest.fixture(scope="module")
def spawner():
    with subprocess.Popen([sys.executable, "-S", "-c", SPAWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


def run(command, server, tmp_path, spawner):
    """(status, stdout, stderr, peak KiB), killed when it takes too long."""
    out, err = tmp_path / "out", tmp_path / "err"
    question = [words_of(command, tmp_path), environment(server, tmp_path), str(out), str(err), SECONDS]
    spawner.stdin.write(json.dumps(question) + "\n")
    spawner.stdin.flush()
    status, peak = json.loads(spawner.stdout.readline())
    return status, out.read_bytes(), err.read_bytes(), peak


# Commands that read a list page by page.
PAGED = {"deadletter list", "deadletter list --json", "deadletter redrive --all", "pull", "pull --json", "replay --since", "replay --json"}


def may_pass(behaviour, command):
    """Whether the answers are such that the command may have done its work."""
    return behaviour in ("evil text", "nothing") or (behaviour in ("lying pages", "empty pages") and command not in PAGED)



@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_every_command_ends_and_says_why(server, tmp_path, behaviour, spawner):
    server.behaviour = behaviour
    other = HostileServer("evil text")
    hostile_server.redirect.port = other.server_address[1]
    wrong = []
    for command in COMMANDS:
        began = time.monotonic()
        status, out, err, peak = run(command, server, tmp_path, spawner)
        took = time.monotonic() - began
        try:
            assert status in (1, 2, 3) or (status == 0 and may_pass(behaviour, command)), f"status {status}"
            assert took < SECONDS, f"{took:.1f} s"
            assert peak < MEMORY_KIB, f"{peak} KiB"
            said = check_text(err)
            check_text(out)
            assert status == 0 or said.strip() or out.strip(), "it failed without a word"
        except (AssertionError, UnicodeDecodeError) as why:
            wrong.append((command, str(why)[:300], err[-300:]))
    other.close()
    assert not wrong
    assert other.n_requests == 0, "a redirect was followed, with credentials"


@pytest.mark.parametrize("behaviour", ["evil text", "evil 400", "evil 403", "raw bytes in JSON", "an end in the body"])
def test_nothing_of_an_answer_is_obeyed_by_a_terminal(server, tmp_path, behaviour):
    server.behaviour = behaviour
    for command in [*COMMANDS, "deadletter show --raw"]:
        COMMANDS.setdefault("deadletter show --raw", ["deadletter", "show", ID, "--raw"])
        main, side = pty.openpty()
        with subprocess.Popen(words_of(command, tmp_path), env=environment(server, tmp_path), stdin=side, stdout=side, stderr=side) as process:
            os.close(side)
            shown = b""
            while True:
                try:
                    piece = os.read(main, 65536)
                except OSError:
                    break
                if not piece:
                    break
                shown += piece
            process.wait(SECONDS)
        os.close(main)
        text = OWN_SEQUENCES.sub("", shown.decode("utf-8"))
        assert not {c for c in text if is_obeyed(c)}, (command, text)
    COMMANDS.pop("deadletter show --raw")


def test_a_new_key_is_only_what_has_the_form_of_a_key(server, tmp_path, spawner):
    server.behaviour = "evil text"
    document = hostile_server.document
    for access, secret in (("AKIA1; rm -rf ~", "abc"), ("AKIA1", "$(reboot)"), ("AKIA1", "a\nb"), ("", "abc"), ("A" * 200, "abc")):
        hostile_server.document = lambda a=access, s=secret: document() | {"access_key": a, "secret_key": s}
        for command in ("key add", "key add --json"):
            status, out, err, _ = run(command, server, tmp_path, spawner)
            assert (status, out) == (1, b"") and b"no key" in err, (access, secret, out, err)
    hostile_server.document = document


def test_a_status_that_is_none_is_not_well(server, tmp_path, spawner):
    """Monitoring must not read 'all is well' out of an answer of something else."""
    for behaviour in ("an empty object", "an array", "null", "a web page", "wrong types"):
        server.behaviour = behaviour
        assert run("status --check", server, tmp_path, spawner)[0] == 3, behaviour


def test_keys_of_a_data_folder_are_not_obeyed(tmp_path):
    """A producer chose the keys that 'verify --ledger', 'where' and 'deadletter list' name."""
    world = World(tmp_path / "s")
    key = "data/" + EVIL.replace("\n", "")
    world.put(key, b"x")
    folder = pathlib.Path(world.server.folder) / "data"
    deadline = time.monotonic() + 20
    while not (letters := json.loads(world.baler("deadletter", "list", "--json").stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert letters[0]["objects"][0]["key"] == key        # as JSON it is whole
    for words in (["deadletter", "list"], ["deadletter", "list", "--json"], ["deadletter", "show", letters[0]["id"]],
                  ["where", f"s3://{LANDING}/{key}"], ["where", f"s3://{LANDING}/{key}", f"s3://{LANDING}/{key}"]):
        answer = world.baler(*words)
        assert check_text((answer.stdout + answer.stderr).encode())
    world.close()
    database = sqlite3.connect(folder / "baler.db")
    for table in ("claim", "dead_letter"):
        database.execute(f"DELETE FROM {table}")
    database.commit()
    database.close()
    for words in ([], ["--json"]):
        found = world.baler("verify", "--ledger", "--data", folder, *words)
        assert found.returncode == 1 and "lost" in found.stdout and "evil" in check_text(found.stdout.encode())
