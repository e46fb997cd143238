"""bench_events: events per second through POST /-/events, from SENDERS senders that each wait for the answer to one event.

Prints the median of RUNS runs, each on a fresh data folder. Nothing is bundled meanwhile: the
events are of a store that is not there, and the server only keeps them.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from server import Server  # noqa: E402

TOKEN = "a-token-of-the-other-store"


def run(build, senders, events):
    os.environ["BALER_BIN"] = str(build / "src/cli/baler")
    os.environ["BALER_EVENTS_TOKEN"] = TOKEN
    server = Server("--batch-window", "1h", "--batch-max-objects", "100000")
    try:
        port = server.endpoint.rsplit(":", 1)[1]
        out = subprocess.run([build / "tests/bench/load_events", port, str(senders), str(events)], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
        return json.loads(out)["events_per_s"]
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--senders", type=int, default=32)
    parser.add_argument("--events", type=int, default=40000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    rates = [run(options.build, options.senders, options.events) for _ in range(options.runs)]
    print(f"{statistics.median(rates):.0f} events/s from {options.senders} senders of one event each (runs: {rates})")


if __name__ == "__main__":
    main()
