"""The alarms in `baler status`, and `--check` for monitoring: raised by what happens, over when it is mended."""
import json
import re
import sqlite3
import time

import pytest
import requests

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


def seal_without_a_stage(folder):
    """A done plan, made sealed again under another id and key, with a stage that is not there."""
    database = sqlite3.connect(folder / "baler.db")
    database.row_factory = sqlite3.Row
    plan = dict(database.execute("SELECT * FROM plan ORDER BY seq DESC LIMIT 1").fetchone())
    new = "5" * 32
    plan.update(sum=None, seq=plan["seq"] + 1000, id=bytes.fromhex(new), state=2, live=1,
                key=re.sub(rb"bundle-[0-9a-f]{32}", b"bundle-" + new.encode(), plan["key"]), staged=b"no-such-stage")
    database.execute(f"INSERT INTO plan({','.join(plan)}) VALUES({','.join('?' * len(plan))})", list(plan.values()))
    database.commit()
    database.close()
    return plan["key"].decode(), new


def test_a_bundle_that_cannot_be_published_is_named_and_the_others_come_out(tmp_path, monkeypatch):
    """docs/protocol.md 2.7: stay sealed and raise an alarm; everything else goes on."""
    first = Baler(tmp_path / "s")
    first.put("data/a")
    first.wait(first.bundles)
    first.stop()
    key, plan = seal_without_a_stage(tmp_path / "s" / "data")
    monkeypatch.setenv("BALER_METRICS_TOKEN", "a-token-for-metrics-only")
    baler = Baler(tmp_path / "s")
    try:
        [alarm] = baler.wait(lambda: baler.json("status")["alarms"])
        assert (alarm["name"], alarm["severity"]) == ("stuck-plan", "critical")
        assert key in alarm["text"] and plan in alarm["text"] and "Mend the cause" in alarm["text"]
        assert "critical stuck-plan since " in baler.run("status").stdout
        for n in range(3):
            before = len(baler.bundles())
            baler.put(f"data/other-{n}")
            baler.wait(lambda: len(baler.bundles()) > before, seconds=5)
        log = baler.server.log_tail()
        assert '"event":"plan-stuck"' in log and f'"bundle":"{key}"' in log
        metrics = requests.get(baler.server.endpoint + "/-/metrics", timeout=20,
                               headers={"Authorization": "Bearer a-token-for-metrics-only"}).text
        assert "baler_stuck_plans 1" in metrics
        assert re.search(r"baler_stuck_plan_oldest_seconds [0-9.]+", metrics)
    finally:
        baler.stop()


def test_a_server_that_does_not_answer_is_not_known(baler):
    assert baler.run("status", "--check", AWS_ENDPOINT_URL="http://127.0.0.1:1").returncode == 3
    assert baler.run("status", "--check", AWS_SECRET_ACCESS_KEY="wrong").returncode == 3


def test_check_and_watch_exclude_each_other(baler):
    answer = baler.run("status", "--check", "--watch")
    assert answer.returncode == 2 and "'--check'" in answer.stderr
