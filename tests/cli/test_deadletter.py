"""`baler deadletter`: list, show, redrive, drop; each safe to repeat."""
import json

import pytest

from operator_kit import LANDING, Baler

BAD_KEY = "data/bad/../name"


@pytest.fixture
def baler(tmp_path):
    running = Baler(tmp_path / "s")
    yield running
    running.stop()


def one_dead(baler, key=BAD_KEY):
    baler.put(key)
    return baler.wait(baler.dead_letters)[-1]


def gone_object(baler, key="data/gone"):
    """An object that was deleted before its bundle was made: a dead letter that a redrive can heal only if it comes back."""
    version = baler.put(key)
    baler.s3.delete_object(Bucket=LANDING, Key=key, VersionId=version)
    return baler.wait(lambda: [d for d in baler.dead_letters() if d["objects"] and d["objects"][0]["key"] == key])[0]


def test_a_dead_letter_keeps_message_reason_time_and_attempts(baler):
    dead = one_dead(baler)
    assert dead["code"] == "UNSAFE_S3_KEY_PATH" and dead["attempts"] == 1
    assert dead["objects"][0]["bucket"] == LANDING and dead["objects"][0]["key"] == BAD_KEY
    shown = baler.json("deadletter", "show", dead["id"])
    assert shown["died"] >= shown["sent"] and shown["reason"]
    record = json.loads(shown["message"])["Records"][0]
    assert record["s3"]["bucket"]["name"] == LANDING and record["eventName"] == "ObjectCreated:Put"


def test_list_and_show_are_readable(baler):
    assert baler.run("deadletter", "list").stdout == "no dead letters\n"
    dead = one_dead(baler)
    lines = baler.run("deadletter", "list").stdout.splitlines()
    assert lines[0].split() == ["ID", "SINCE", "ATTEMPTS", "CODE", "KEY"]
    assert dead["id"] in lines[1] and "UNSAFE_S3_KEY_PATH" in lines[1] and lines[1].endswith(BAD_KEY)
    shown = baler.run("deadletter", "show", dead["id"]).stdout
    assert "UNSAFE_S3_KEY_PATH" in shown and '"Records"' in shown


def test_control_characters_of_a_key_do_not_reach_the_terminal(baler):
    dead = one_dead(baler, "data/\x1b[31mred\x9b32mgreen/../x")
    shown = baler.run("deadletter", "list").stdout + baler.run("deadletter", "show", dead["id"]).stdout
    assert "red" in shown and not {"\x1b", "\x9b"} & set(shown)


def test_a_redrive_goes_through_the_queue_and_a_second_one_does_nothing(baler):
    dead = one_dead(baler)
    first = baler.json("deadletter", "redrive", dead["id"])[0]
    assert first["outcome"] == "done" and first["reopened"] == 1
    # the key is still bad: it dies again, as a new dead letter
    again = baler.wait(lambda: [d for d in baler.dead_letters() if d["id"] != dead["id"]])
    assert len(again) == 1 and again[0]["id"] == first["message_id"]
    second = baler.json("deadletter", "redrive", dead["id"])[0]
    assert (second["outcome"], second["why"], second["message_id"]) == ("already", "redriven before", first["message_id"])
    assert "nothing done, redriven before" in baler.run("deadletter", "redrive", dead["id"]).stdout
    assert len(baler.dead_letters()) == 1


def test_a_message_that_is_no_event_can_be_redriven(baler):
    """Nothing in it can be read: it goes back as it is and dies again, under a new id."""
    dead = gone_object(baler)
    answer = baler.json("deadletter", "redrive", dead["id"])[0]
    assert answer["outcome"] == "done"
    baler.wait(lambda: [d for d in baler.dead_letters() if d["id"] == answer["message_id"]])


def test_redrive_all_takes_each_once(baler):
    for i in range(12):
        baler.put(f"data/{i}/../x")
    before = baler.wait(lambda: len(d := baler.dead_letters()) == 12 and d)
    answers = baler.json("deadletter", "redrive", "--all")
    assert sorted(a["id"] for a in answers) == sorted(d["id"] for d in before)
    assert all(a["outcome"] == "done" for a in answers)
    after = baler.wait(lambda: len(d := baler.dead_letters()) == 12 and not {x["id"] for x in d} & {x["id"] for x in before} and d)
    assert {d["objects"][0]["key"] for d in after} == {f"data/{i}/../x" for i in range(12)}


def test_redrive_all_of_nothing(baler):
    answer = baler.run("deadletter", "redrive", "--all")
    assert (answer.returncode, answer.stdout) == (0, "no dead letters\n")


def test_drop_is_final_and_safe_to_repeat(baler):
    dead = one_dead(baler)
    assert baler.run("deadletter", "drop", dead["id"]).stdout == f"{dead['id']}  dropped\n"
    assert baler.dead_letters() == []
    again = baler.run("deadletter", "drop", dead["id"])
    assert again.returncode == 0 and "nothing done, dropped before" in again.stdout
    answer = baler.run("deadletter", "redrive", dead["id"])
    assert answer.returncode == 0 and "already: nothing done, dropped before" in answer.stdout


def test_dead_letters_and_their_audit_survive_a_restart(baler, tmp_path):
    dead = one_dead(baler)
    baler.json("deadletter", "redrive", dead["id"])
    baler.wait(lambda: [d for d in baler.dead_letters() if d["id"] != dead["id"]])
    baler.stop()
    fresh = Baler(tmp_path / "s")
    try:
        assert fresh.json("deadletter", "redrive", dead["id"])[0]["outcome"] == "already"
    finally:
        fresh.stop()


def test_unknown_ids(baler):
    answer = baler.run("deadletter", "redrive", "0123456789abcdef")
    assert answer.returncode == 1 and "no such dead letter" in answer.stdout
    for verb in ("show", "drop"):
        answer = baler.run("deadletter", verb, "0123456789abcdef")
        assert answer.returncode == 1 and "there is no dead letter '0123456789abcdef'" in answer.stderr


@pytest.mark.parametrize("words, says", [
    ((), "what shall be done?"), (("lst",), "what shall be done?"), (("show",), "which one?"), (("list", "x"), "takes no ID"),
    (("redrive",), "redrive which?"), (("redrive", "--all", "0123456789abcdef"), "redrive which?"),
    (("drop", "--all"), "--all is for redrive"), (("show", "../status"), "is not an ID"),
])
def test_mistakes_exit_2(baler, words, says):
    answer = baler.run("deadletter", *words)
    assert answer.returncode == 2 and says in answer.stderr
