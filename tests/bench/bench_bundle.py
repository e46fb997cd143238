#!/usr/bin/env python3
"""How fast one core bundles small files, beside Python's tarfile on the same objects.

usage: bench_bundle.py BUILD_DIR [--quick] [--check]

Prints a row for each shape of data (shapes.py says what each is) and each bundler: objects/s and MB/s per second of
CPU, ratio (bytes of objects to bytes of bundle), and both beside tarfile.open(mode='w:gz') with its defaults (zlib
level 9), measured in the same run on the same core, all in memory. Objects of 1 MB, and one shape with objects of 1 KB.
Medians of 5 (Python: of 3). --quick takes 4 MB of each and one round of Python. --check: exit 1 when a target is missed.
"""
import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

import shapes

CASES = [("1 KB", 1000, "fleet")] + [("1 MB", 1000000, shape) for shape in shapes.SHAPES]
MODES = ["balanced", "fast"]
# Of the 1 MB cases: MB/s beside Python's, and the ratio beside Python's.
TARGETS = {"balanced": (8.0, 0.98), "fast": (40.0, 0.0)}


def save(objects, path):
    with open(path, "wb") as f, open(path + ".sizes", "w", encoding="ascii") as sizes:
        f.write(b"".join(objects))
        sizes.writelines(f"{len(data)}\n" for data in objects)


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


def measure_case(program, object_bytes, shape, quick, folder):
    """Rows of (mode, objects, bytes in, bytes out, seconds), Python first."""
    objects = shapes.make(shape, object_bytes, (4 if quick else 32) * 1000000)
    path = os.path.join(folder, "objects")
    save(objects, path)
    out = subprocess.run([program, path, "5"] + MODES, check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in out.splitlines()]
    rows = [(m, int(n), int(i), int(o), float(s)) for m, n, i, o, s in rows]
    size, seconds = measure_python(objects, 1 if quick else 3)
    return [("python w:gz", len(objects), sum(map(len, objects)), size, seconds)] + rows


def print_row(label, shape, row, python):
    mode, n, bytes_in, bytes_out, seconds = row
    speed = (bytes_in / seconds) / (python[2] / python[4])
    ratio = python[3] / bytes_out
    target = TARGETS.get(mode) if label == "1 MB" else None
    met = not target or (speed >= target[0] and ratio >= target[1])
    word = "" if not target else "met" if met else "missed"
    print(f"{label:<5} {shape:<9} {mode:<12} {n / seconds:>10,.0f} {bytes_in / seconds / 1e6:>8,.1f} "
          f"{bytes_in / bytes_out:>6.2f} {speed:>9.1f}x {ratio:>8.3f}x {word:>7}", flush=True)
    return met


def main():
    options = {a for a in sys.argv[1:] if a.startswith("--")}
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    if len(args) != 1 or options - {"--quick", "--check"}:
        sys.exit(__doc__)
    program = os.path.join(args[0], "tests", "bench", "bench_bundle")
    all_met = True
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(f"{'':<5} {'':<9} {'bundler':<12} {'':>10} {'':>8} {'':>6} {'MB/s, to':>10} {'ratio, to':>9}")
    print(f"{'size':<5} {'shape':<9} {'(one core)':<12} {'objects/s':>10} {'MB/s':>8} {'ratio':>6} "
          f"{'Python':>10} {'Python':>9} {'target':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for label, object_bytes, shape in CASES:
            rows = measure_case(program, object_bytes, shape, "--quick" in options, folder)
            for row in rows:
                all_met = print_row(label, shape, row, rows[0]) and all_met
    print("\nTargets at 1 MB, beside Python: " + "; ".join(
        f"{mode}: {t[0]:.0f}x" + (f" at a ratio of {t[1]:.2f}x" if t[1] else "") for mode, t in TARGETS.items()))
    sys.exit(1 if "--check" in options and not all_met else 0)


if __name__ == "__main__":
    main()
