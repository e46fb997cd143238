#!/usr/bin/env python3
"""How fast one core bundles small JSON objects, beside Python's tarfile on the same objects.

usage: bench_bundle.py BUILD_DIR [--quick] [--check]

Prints a table: objects/s and MB/s per second of CPU, ratio (bytes of objects to bytes of bundle), and both beside
tarfile.open(mode='w:gz') with its defaults (zlib level 9), measured in the same run. Medians of 5 (Python: of 3).
--quick takes a sixteenth of the data and one round of Python. --check: exit 1 when a target is missed.
"""
import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

CASES = [("1 KB", 1000), ("1 MB", 1000000)]
# Of the 1 MB case: MB/s beside Python's, and the ratio beside Python's.
TARGETS = {"balanced": (8.0, 0.98), "fast": (40.0, 0.0)}


def read_objects(path):
    with open(path, "rb") as f, open(path + ".sizes", encoding="ascii") as s:
        return [f.read(int(size)) for size in s]


def python_bundle(objects):
    out = io.BytesIO()
    with tarfile.open(mode="w:gz", fileobj=out) as tar:
        for i, data in enumerate(objects):
            info = tarfile.TarInfo(f"data/telemetry/2026/11/23/reading-{i:08d}.json")
            info.size = len(data)
            info.uname = info.gname = "root"
            tar.addfile(info, io.BytesIO(data))
    return out.getbuffer().nbytes


def measure_python(objects, rounds):
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        size = python_bundle(objects)
        seconds.append(time.process_time() - start)
    return size, statistics.median(seconds)


def measure_case(program, object_bytes, quick, folder):
    """Rows of (mode, objects, bytes in, bytes out, seconds), Python first."""
    total = (4 if quick else 64) * 1000000
    path = os.path.join(folder, f"objects-{object_bytes}")
    out = subprocess.run([program, str(object_bytes), str(total), "5", path],
                         check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in out.splitlines()]
    rows = [(m, int(n), int(i), int(o), float(s)) for m, n, i, o, s in rows]
    objects = read_objects(path)
    size, seconds = measure_python(objects, 1 if quick else 3)
    return [("python w:gz", len(objects), sum(map(len, objects)), size, seconds)] + rows


def print_row(label, row, python):
    mode, n, bytes_in, bytes_out, seconds = row
    speed = (bytes_in / seconds) / (python[2] / python[4])
    ratio = python[3] / bytes_out
    print(f"{label:<7} {mode:<12} {n / seconds:>10,.0f} {bytes_in / seconds / 1e6:>8,.1f} "
          f"{bytes_in / bytes_out:>6.2f} {speed:>9.1f}x {ratio:>8.3f}x")
    return speed, ratio


def verdict(label, row, speed, ratio):
    """One line beside the project's target, or None where there is none; and whether it is met."""
    target = TARGETS.get(row[0]) if label == "1 MB" else None
    if not target:
        return None, True
    met = speed >= target[0] and ratio >= target[1]
    wanted = f"{target[0]:.0f}x" + (f" at a ratio of {target[1]:.2f}x" if target[1] else "")
    return f"target {row[0]} at {label}: {wanted}: {'met' if met else 'missed'}", met


def main():
    options = {a for a in sys.argv[1:] if a.startswith("--")}
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    if len(args) != 1 or options - {"--quick", "--check"}:
        sys.exit(__doc__)
    program = os.path.join(args[0], "tests", "bench", "bench_bundle")
    lines, all_met = [], True
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(f"{'objects':<7} {'bundler':<12} {'objects/s':>10} {'MB/s':>8} {'ratio':>6} {'MB/s, to':>10} {'ratio, to':>9}")
    print(f"{'':<7} {'(one core)':<12} {'':>10} {'':>8} {'':>6} {'Python':>10} {'Python':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for label, object_bytes in CASES:
            rows = measure_case(program, object_bytes, "--quick" in options, folder)
            for row in rows:
                speed, ratio = print_row(label, row, rows[0])
                line, met = verdict(label, row, speed, ratio)
                lines += [line] if line else []
                all_met = all_met and met
    print("\n".join(lines))
    sys.exit(1 if "--check" in options and not all_met else 0)


main()
