"""The alarms in `baler status`, and `--check` for monitoring: raised by what happens, over when it is mended."""
import json
import time

import pytest

from operator_kit import Baler


@pytest.fixture()
def baler(tmp_path):
    running = Baler(tmp_path / "s")
    yield running
    running.stop()


def test_a_dead_letter_raises_a_critical_alarm_until_it_is_dropped(baler):
    assert baler.json("status")["alarms"] == []
    calm = baler.run("status", "--check")
    assert (calm.returncode, calm.stdout.split()) == (0, ["alarms", "none"])

    baler.put("data/a/../b")
    dead = baler.wait(baler.dead_letters)
    [alarm] = baler.wait(lambda: baler.json("status")["alarms"])
    assert (alarm["name"], alarm["severity"], alarm["text"]) == ("dead-letters", "critical", "1 dead letter")
    assert alarm["since"] <= time.strftime("%Y-%m-%dT%H:%M:%S.999Z", time.gmtime())
    check = baler.run("status", "--check")
    assert check.returncode == 2 and "critical dead-letters since " in check.stdout
    assert json.loads(baler.run("status", "--check", "--json").stdout) == [alarm]
    assert "critical dead-letters since " in baler.run("status").stdout
    assert '"event":"alarm-raised"' in baler.server.log_tail()

    assert baler.run("deadletter", "drop", dead[0]["id"]).returncode == 0
    baler.wait(lambda: baler.run("status", "--check").returncode == 0)
    assert '"event":"alarm-cleared"' in baler.server.log_tail()


def test_a_server_that_does_not_answer_is_not_known(baler):
    assert baler.run("status", "--check", AWS_ENDPOINT_URL="http://127.0.0.1:1").returncode == 3
    assert baler.run("status", "--check", AWS_SECRET_ACCESS_KEY="wrong").returncode == 3


def test_check_and_watch_exclude_each_other(baler):
    answer = baler.run("status", "--check", "--watch")
    assert answer.returncode == 2 and "'--check'" in answer.stderr
