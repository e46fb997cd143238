"""JSON is written by base/json_write. A member's name inside a C text is a document that sets its commas and escapes by hand."""
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "src"
MEMBER = re.compile(r'\\"[A-Za-z_%][\w-]*\\":')
# file: why it has one
ALLOWED = {
    "model/s3_event.c": "one event for each PUT: the constant parts are added in one piece",
    "obs/log.c": "one line for each event: the constant parts are added in one piece",
    "verify/generator.c": "lines of telemetry, which are data",
    "gateway/admin/admin_body.c": "error texts that show what a body looks like",
    "serve/function.c": "puts a record, written by jansson, into an envelope",
    "cli/cmd_verify_ledger.c": "opens a document that is printed while the findings come",
}


def test_one_writer():
    found = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.c")
             if MEMBER.search(re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL))}
    assert found - set(ALLOWED) == set()
    assert set(ALLOWED) - found == set(), "allowed without need"
