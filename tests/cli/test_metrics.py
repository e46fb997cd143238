"""GET /-/metrics: Prometheus' own parser reads it, the numbers are those of the work done, and only who may sees them."""
import json
import time

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from operator_kit import LANDING, Baler
from test_status import ask

TOKEN = "a-token-for-metrics-only"


@pytest.fixture(scope="module")
def baler(tmp_path_factory):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BALER_METRICS_TOKEN", TOKEN)
        environment.setenv("BALER_EVENTS_TOKEN", "a-token-for-events-only")
        running = Baler(tmp_path_factory.mktemp("metrics") / "s")
    yield running
    running.stop()


def scrape(baler, token=TOKEN):
    return requests.get(baler.server.endpoint + "/-/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=20)


def read(baler):
    """{(name, labels): value}"""
    families = list(text_string_to_metric_families(scrape(baler).text))
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def test_prometheus_reads_it(baler):
    answer = scrape(baler)
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.text))
    assert len({f.name for f in families}) == len(families)
    assert all(f.documentation and f.type in ("gauge", "counter") and f.samples for f in families)
    assert all(s.name.endswith("_total") == (f.type == "counter") for f in families for s in f.samples)


def test_the_numbers_are_those_of_the_work(baler):
    before = read(baler)
    for i in range(9):
        baler.put(f"data/metrics/{i}", b"m" * 1000)
    baler.put("data/metrics/../bad")
    after = baler.wait(lambda: (now := read(baler))[("baler_bundled_objects_total", ())] -
                       before[("baler_bundled_objects_total", ())] == 9 and now[("baler_dead_letters", ())] == 1 and now)
    grown = {name: after[(name, ())] - before[(name, ())] for (name, labels) in before if not labels}
    assert grown["baler_bundled_bytes_total"] == 9000
    assert grown["baler_landing_objects"] == 10 and grown["baler_landing_bytes"] == 9100
    assert grown["baler_bundles_total"] == grown["baler_distribution_bundles"] >= 1
    assert grown["baler_bundle_bytes_total"] == grown["baler_distribution_bytes"] > 0
    assert grown["baler_dead_letters"] == grown["baler_dead_letters_made_total"] == 1
    assert grown["baler_http_requests_total"] >= 10 and grown["baler_http_errors_total"] == 0
    assert grown["process_cpu_seconds_total"] > 0 and after[("process_open_fds", ())] > 5
    assert after[("process_resident_memory_bytes", ())] > 1 << 20
    assert abs(time.time() - after[("process_start_time_seconds", ())]) < 300
    alarm = ("baler_alarm", (("name", "dead-letters"), ("severity", "critical")))
    assert before[alarm] == 0
    baler.wait(lambda: read(baler)[alarm] == 1)


def test_no_key_and_no_bucket_is_named(baler):
    baler.put("data/secret-customer-name")
    text = scrape(baler).text
    assert "secret-customer-name" not in text and LANDING not in text


@pytest.mark.parametrize("token", ["wrong-token-wrong-token", "x", "a-token-for-events-only"])
def test_another_token_is_refused(baler, token):
    assert scrape(baler, token).status_code == 403


def test_the_token_opens_nothing_else(baler):
    for path in ("/-/api/v1/status", "/-/events", "/"):
        answer = requests.get(baler.server.endpoint + path, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)
        assert answer.status_code in (400, 403), path


def test_without_credentials_it_is_refused_and_an_admin_may_sign(baler):
    assert requests.get(baler.server.endpoint + "/-/metrics", timeout=20).status_code == 403
    assert ask(baler, "GET", "/-/metrics").status_code == 200


def test_a_role_below_admin_may_not_read_them(baler):
    key = json.loads(baler.run("key", "add", "--role", "consumer", "--json").stdout)
    answer = ask(baler, "GET", "/-/metrics", key=(key["access_key"], key["secret_key"]))
    assert answer.status_code == 403


def test_a_short_token_is_refused_at_the_start(baler, tmp_path):
    answer = baler.run("serve", "--data", str(tmp_path / "d"), BALER_METRICS_TOKEN="short")
    assert answer.returncode == 2 and "'metrics-token'" in answer.stderr


def test_the_token_is_not_in_the_process_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("BALER_METRICS_TOKEN", TOKEN)
    running = Baler(tmp_path / "s")
    try:
        assert scrape(running).status_code == 200
        with open(f"/proc/{running.server.process.pid}/environ", "rb") as environment:
            assert TOKEN.encode() not in environment.read()
    finally:
        running.stop()
