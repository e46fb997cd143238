"""Each declared log event is logged somewhere: one that never is promises an operator a line that will not come."""
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "src"


def test_each_declared_event_is_logged():
    declared = set(re.findall(r"^X\((EV_\w+),", (SOURCE / "obs/log_events.h").read_text(encoding="utf-8"), re.MULTILINE))
    code = "".join(p.read_text(encoding="utf-8") for p in SOURCE.rglob("*.c") if p != SOURCE / "obs/log.c")
    assert len(declared) > 20 and declared - set(re.findall(r"\bEV_\w+", code)) == set()
