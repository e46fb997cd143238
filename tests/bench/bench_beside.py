#!/usr/bin/env python3
"""bench_beside OLD_BUILD NEW_BUILD: the figures of two builds of baler, measured in turn on this machine.

Each round measures the old build and then the new one, so that a machine which becomes slower meanwhile slows both. The table shows
the median of the rounds and the ratio new / old. Exit status 1 when a figure is more than --worse per cent worse, 2 when a build has no program.
The load generator is the new build's for both.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile

import bench_bundle
import bench_serve
import shapes

# name, unit, whether more is better
FIGURES = {
    "puts stored": ("PUT/s", True), "puts with event": ("PUT/s", True), "visible": ("objects/s", True),
    "latency p50": ("ms", False), "latency p99": ("ms", False), "peak RSS": ("MiB", False),
    "bundle balanced": ("MB/s", True), "bundle fast": ("MB/s", True), "ratio balanced": ("", True),
}


def bundle_figures(build, folder):
    """One core, 1 MB objects of the shape 'fleet': {mode: (MB/s, ratio)}."""
    objects = shapes.make("fleet", 1000000, 32 * 1000000)
    path = str(pathlib.Path(folder) / "objects")
    bench_bundle.save(objects, path)
    program = build / "tests/bench/bench_bundle"
    out = subprocess.run([program, path, "3", "balanced", "fast"], check=True, capture_output=True, text=True).stdout
    size = sum(len(o) for o in objects)
    rows = [line.split() for line in out.splitlines()]
    return {row[0]: (size / float(row[-1]) / 1e6, size / float(row[-2])) for row in rows}


def measure(build, load, count, seconds):
    bench_serve.LOAD = load
    stored, _ = bench_serve.puts(build, count, "stored/load-")
    event, rss = bench_serve.puts(build, count, "data/load-")
    visible, rss2 = bench_serve.visible(build, count)
    p50, p99, _ = bench_serve.latency(build, seconds)
    with tempfile.TemporaryDirectory(prefix="baler-bench-") as folder:
        bundle = bundle_figures(build, folder)
    return {"puts stored": stored, "puts with event": event, "visible": visible, "latency p50": p50, "latency p99": p99,
            "peak RSS": max(rss, rss2), "bundle balanced": bundle["balanced"][0], "bundle fast": bundle["fast"][0],
            "ratio balanced": bundle["balanced"][1]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=40000, help="objects a run")
    parser.add_argument("--seconds", type=int, default=15, help="of the latency run")
    parser.add_argument("--worse", type=float, default=5, help="per cent that a figure may be worse")
    options = parser.parse_args()
    for build in (options.old, options.new):
        if not (build / "src/cli/baler").exists():
            print(f"bench_beside: '{build}' has no src/cli/baler; build it first", file=sys.stderr)
            return 2
    load = options.new / "tests/bench/load_put"
    rows = {"old": [], "new": []}
    for i in range(options.rounds):
        print(f"round {i + 1} of {options.rounds}", file=sys.stderr, flush=True)
        for name, build in (("old", options.old), ("new", options.new)):
            rows[name].append(measure(build.resolve(), load.resolve(), options.count, options.seconds))
    bad = 0
    print(f"{'':<18}{'old':>12}{'new':>12}{'new / old':>12}")
    for figure, (unit, more_is_better) in FIGURES.items():
        old, new = (statistics.median(r[figure] for r in rows[name]) for name in ("old", "new"))
        worse = (old / new if more_is_better else new / old) - 1
        mark = "  worse" if worse > options.worse / 100 else ""
        bad += bool(mark)
        print(f"{figure:<18}{old:>12,.2f}{new:>12,.2f}{new / old:>12.3f}  {unit}{mark}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
