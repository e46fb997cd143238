"""The thirteen scenarios of contract.md, shrunk to a twentieth, through one server; `make check-full` runs them whole."""
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from server import Server  # noqa: E402

from test_e2e import SCENARIOS, e2e  # noqa: E402

NAMES = sorted(path.stem for path in SCENARIOS.glob("*.json"))
CEILING = 256 << 20


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """name → its run, of one `baler e2e --all`."""
    server = Server("--batch-window", "1s", "--batch-max-bytes", "20MiB", data=str(tmp_path_factory.mktemp("scenarios") / "s"))
    answer = e2e(server, "--all", SCENARIOS, "--scale", "0.05", "--bundle-limit", "20MiB", "--json", "--server-pid",
                 server.process.pid, timeout=600)
    assert server.stop() == 0, server.log_tail()
    return {run["name"]: run for run in json.loads(answer.stdout)["runs"]}


def test_there_are_thirteen():
    assert [name[:2] for name in NAMES] == [f"{i:02d}" for i in range(13)]


@pytest.mark.parametrize("name", NAMES)
def test_scenario(runs, name):
    assert runs[name]["passed"], runs[name]
    assert runs[name]["server_peak_bytes"] <= CEILING


def test_the_disk_limit_is_reached(runs):
    """Of ten files of 3 MiB six fit into 20 MiB."""
    assert (runs["06-disk-limit"]["found"], runs["06-disk-limit"]["bundles"]) == (6, 1)


def test_a_bundle_holds_one_of_those_that_exceed_it_together(runs):
    assert runs["12-partial-batch"]["bundles"] == 10
