"""`baler e2e` judges whoever speaks S3: here moto's server, with an aggregator that shares nothing with ours."""
import json

import pytest

from foreign_store import LANDING, Aggregator, ForeignStore
from test_e2e import SCENARIOS, e2e, scenario


@pytest.fixture(scope="module")
def store():
    running = ForeignStore()
    yield running
    running.stop()


def judge(store, *words, wrong=None):
    aggregator = Aggregator(store, wrong)
    try:
        return e2e(store, *words, "--json", "--timeout", "20s")
    finally:
        aggregator.close()


@pytest.mark.parametrize("name, files, bundles", [("00-single-file", 1, 1), ("03-zero-byte", 5, 1), ("07-idempotency", 1, 2)])
def test_a_right_aggregator_passes(store, name, files, bundles):
    answer = judge(store, "-c", SCENARIOS / f"{name}.json")
    assert answer.returncode == 0, answer.stderr
    run = json.loads(answer.stdout)["runs"][0]
    assert (run["found"], run["bundles"] >= bundles) == (files, True)
    listed = store.client().list_object_versions(Bucket=LANDING, Prefix=run["prefix"])
    assert "Versions" not in listed and "DeleteMarkers" not in listed  # a pass removes what it put in


@pytest.mark.parametrize("wrong, says", [
    ("loses one", "missing: 'data/e2e-test-"),
    ("ships one twice", "duplicate: 'data/e2e-test-"),
    ("changes a byte", "damaged: 'data/e2e-test-"),
    ("ships something extra", "extra: 'data/stray.txt' in '2026/01/01/00/bundle-"),
    ("publishes an empty bundle", "empty: bundle '2026/01/01/00/bundle-"),
    ("lies about the hash", "says content-sha256 '000000"),
])
def test_a_wrong_aggregator_fails_with_1_and_is_told_why(store, tmp_path, wrong, says):
    waits_in_vain = wrong in ("loses one", "changes a byte")
    path = scenario(tmp_path, num_files=3, size_mb=1, concurrency=3, timeout_seconds=6 if waits_in_vain else 30)
    aggregator = Aggregator(store, wrong)
    try:
        answer = e2e(store, "-c", path)
    finally:
        aggregator.close()
    assert answer.returncode == 1 and says in answer.stderr, answer.stderr


def test_nobody_bundling_fails(store, tmp_path):
    answer = e2e(store, "-c", scenario(tmp_path, size_mb=0), "--timeout", "1s")
    assert answer.returncode == 1 and "missing: 'data/e2e-test-" in answer.stderr, answer.stderr
    assert "Contents" in store.client().list_objects_v2(Bucket=LANDING)  # left for inspection
