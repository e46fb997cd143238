"""`baler deadletter` with thousands of dead letters, some of them long and some of them no text at all."""
import hashlib
import json
import os
import sqlite3
import threading

import pytest

from operator_kit import Baler

N_SHORT = 2000
LONG = [bytes([i]) * (1 << 20) for i in range(1, 25)]  # control characters: each is six bytes in JSON
ODD = [b"\xff\xfe\x00 no text", os.urandom(256 << 10), b'"a\x00b"', b"", "ünï ".encode() * 1000]


def fill(folder):
    bodies = [b"not json %d" % i for i in range(N_SHORT)] + LONG + ODD
    database = sqlite3.connect(folder / "s" / "data" / "baler.db")
    database.executemany("INSERT INTO dead_letter VALUES(?, 1, 1000, 2000, 'not-json', 'by hand', ?, NULL)",
                         [(i + 1, body) for i, body in enumerate(bodies)])
    database.commit()
    database.close()
    return bodies


@pytest.fixture(scope="module", name="world")
def a_folder_with_many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    Baler(folder / "s").stop()
    bodies = fill(folder)
    running = Baler(folder / "s")
    yield running, bodies
    running.stop()


def name(number):
    return f"{number:016x}"


def raw(baler, dead_id):
    return baler.run("deadletter", "show", dead_id, "--raw", text=False).stdout


def test_the_list_is_complete(world):
    baler, bodies = world
    assert [d["id"] for d in baler.dead_letters()] == [name(i + 1) for i in range(len(bodies))]
    lines = baler.run("deadletter", "list").stdout.splitlines()
    assert len(lines) == 1 + len(bodies) and lines[-1].startswith(name(len(bodies)))


def test_show_raw_gives_the_message_byte_for_byte(world):
    baler, bodies = world
    for i in [0, N_SHORT, *range(N_SHORT + len(LONG), len(bodies))]:
        assert raw(baler, name(i + 1)) == bodies[i], i
    shown = baler.json("deadletter", "show", name(N_SHORT + len(LONG) + 1))
    assert shown["message"].startswith("\ufffd\ufffd\0") and shown["message_base64"]
    assert "message_base64" not in baler.json("deadletter", "show", name(1))


def test_two_operators_redrive_all_and_each_goes_back_once(world):
    """The messages are no events: each dies again, with its bytes, under a new ID; the later operator may meet it there once more."""
    baler, bodies = world
    answers = []

    def one():
        answers.append(baler.run("deadletter", "redrive", "--all", "--json"))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [a.returncode for a in answers] == [0, 0]
    done = [r for a in answers for r in json.loads(a.stdout) if r["outcome"] == "done"]
    new = {r["id"]: r["message_id"] for r in done}
    assert len(new) == len(done) == len(set(new.values()))
    assert all("back in the queue" in a.stderr for a in answers)

    def last(dead_id):
        while dead_id in new:
            dead_id = new[dead_id]
        return dead_id

    ends = [last(name(i + 1)) for i in range(len(bodies))]
    assert name(1) in new and not any(name(i + 1) in ends for i in range(len(bodies)))
    baler.wait(lambda: sorted(d["id"] for d in baler.dead_letters()) == sorted(ends), 60)
    database = sqlite3.connect(f"file:{baler.server.folder}/data/baler.db?mode=ro", uri=True)
    kept = {row[0]: row[1] for row in database.execute("SELECT id, body FROM dead_letter")}
    database.close()
    for end, body in zip(ends, bodies):
        assert hashlib.sha256(kept[int(end, 16)]).digest() == hashlib.sha256(body).digest()


@pytest.mark.parametrize("words", [("list", "--raw"), ("show", "0123456789abcdef", "--raw", "--json")])
def test_raw_is_for_show_alone(world, words):
    answer = world[0].run("deadletter", *words)
    assert answer.returncode == 2 and "--raw is for show" in answer.stderr
