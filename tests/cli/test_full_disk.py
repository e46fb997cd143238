"""A data folder on a small disk: a bundle that does not fit waits for room and holds up nobody. Needs root, for a tmpfs."""
import json
import os
import subprocess

import pytest
from botocore.exceptions import ClientError

from operator_kit import Baler

MIB = 1 << 20


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=84m", "tmpfs", str(folder)], capture_output=True,
                      check=False).returncode:
        pytest.skip("cannot mount a small disk here (needs root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def baler(disk):
    running = Baler(disk / "s", "--batch-window", "1s")
    yield running
    assert running.server.stop() == 0


def free_bytes(disk):
    st = os.statvfs(disk)
    return st.f_bavail * st.f_frsize


def alarms_of(baler):
    return {alarm["name"]: alarm for alarm in baler.json("status")["alarms"]}


def test_a_bundle_that_does_not_fit_waits_and_the_others_do_not(baler, disk):
    (disk / "filler").write_bytes(bytes(20 * MIB))
    baler.put("data/large", os.urandom(30 * MIB))
    baler.put("data/small", os.urandom(1 * MIB))
    baler.wait(lambda: len(baler.bundles()) == 1)  # the small one
    alarm = baler.wait(lambda: alarms_of(baler).get("bundle-room"))
    assert alarm["severity"] == "critical" and "bundle '20" in alarm["text"] and "are free" in alarm["text"]
    status = baler.json("status")
    assert status["disk"]["waiting_bundle"].endswith(".tar.gz") and status["disk"]["needed_bytes"] > 30 * MIB
    assert "waits for room" in baler.run("status").stdout
    assert baler.run("status", "--check").returncode == 2
    with open(baler.server.log_path, encoding="utf-8") as log:
        waits = [json.loads(line) for line in log if '"bundle-waits"' in line]
    assert waits and waits[0]["key"] == "data/large" and "bytes of disk" in waits[0]["cause"]
    lowest = free_bytes(disk)
    for i in range(20):  # nobody is refused meanwhile, and nothing eats the disk
        baler.put(f"data/while-{i}", b"x" * 1000)
        lowest = min(lowest, free_bytes(disk))
    assert lowest > 10 * MIB
    baler.wait(lambda: len(baler.bundles()) >= 2)
    assert baler.json("status")["queue"]["dead_letters"] == 0
    (disk / "filler").unlink()
    baler.wait(lambda: "bundle-room" not in alarms_of(baler) and baler.json("status")["queue"]["visible"] == 0 and
               baler.json("status")["queue"]["in_flight"] == 0, 60)
    assert "bundle" in baler.run("where", "s3://data-aggregator-landing-dev/data/large").stdout


def test_refused_puts_raise_an_alarm_and_metrics_show_the_disk(baler, disk):
    with pytest.raises(ClientError) as refused:
        for i in range(10):
            baler.put(f"other/{i}", os.urandom(12 * MIB))
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 507
    baler.wait(lambda: "disk" in alarms_of(baler))
    assert free_bytes(disk) > 1 * MIB
    baler.put("data/small", b"x" * 100)  # what little there is goes to who can use it
    text = baler.run("status", "--json").stdout
    assert json.loads(text)["disk"]["size_bytes"] == 84 * MIB
