"""The log's vocabulary: each event and each field is declared once, is used, and is in docs/operations.md. One thing has one name."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"


def read(path):
    return path.read_text(encoding="utf-8")


def code():
    """Every C file and header of src/ but those that declare the log: (path, text)."""
    return [(p, read(p)) for p in SOURCE.rglob("*.[ch]") if p.parent != SOURCE / "obs" or not p.name.startswith("log")]


def events():
    return dict(re.findall(r"^X\((EV_\w+), (LOG_\w+),", read(SOURCE / "obs/log_events.h"), re.MULTILINE))


def fields():
    """name: (kind, meaning)"""
    found = re.findall(r'^X\((TEXT|NUMBER), (\w+), "(.*)"\)$', read(SOURCE / "obs/log_fields.h"), re.MULTILINE)
    assert len(found) == len(re.findall(r"^X\(", read(SOURCE / "obs/log_fields.h"), re.MULTILINE)), "a field is declared in another form"
    return {name: (kind, meaning) for kind, name, meaning in found}


def calls():
    """Every log_event(…) of src/: (path, its arguments)."""
    for path, text in code():
        for begin in re.finditer(r"\blog_event\(", text):
            depth, end = 1, begin.end()
            while depth:
                depth += {"(": 1, ")": -1}.get(text[end], 0)
                end += 1
            yield path, text[begin.end():end - 1]


def test_each_declared_event_is_logged():
    everything = "".join(text for _, text in code())
    assert len(events()) > 20 and set(events()) - set(re.findall(r"\bEV_\w+", everything)) == set()


def test_each_declared_field_is_used():
    used = set(re.findall(r"\bLF_(?:STR|SLICE|U64)\(\s*(\w+)", "".join(text for _, text in code())))
    assert set(fields()) - used - {"left_out"} == set()     # the log itself adds left_out


def test_a_field_is_made_by_its_declared_name_alone():
    """The macros take declared names only, so nothing else may make a field."""
    for path, text in code():
        assert not re.search(r"\bLOG_(TEXT|NUMBER)_\w+|\(struct log_field\)|\blog_write\(", text), path


def test_a_cause_is_called_cause():
    """These words mean the same thing; a reader who filters by one must find all."""
    assert {"why", "reason", "error", "risk", "message", "text", "err", "failure", "detail"} & set(fields()) == set()


def test_each_error_tells_its_cause():
    """'baler status' shows the cause of the last event of level ERROR or worse."""
    severe = {name for name, level in events().items() if level in ("LOG_ERROR", "LOG_CRITICAL")}
    seen = set()
    for path, arguments in calls():
        names = set(re.findall(r"\bEV_\w+", arguments))
        if names & severe:
            assert re.search(r"\bLF_STR\(\s*cause,", arguments), f"{path}: {names} without a cause"
            seen |= names & severe
    assert seen == severe


def test_numbers_have_their_unit_in_the_name():
    for name, (kind, meaning) in fields().items():
        for word, unit in (("millisecond", "_ms"), ("bytes", "_bytes"), ("hours", "_hours"), ("days", "_days")):
            if kind == "NUMBER" and word in meaning:
                assert name.endswith(unit), f"{name}: {meaning}"


def test_the_operations_page_lists_the_fields():
    listed = re.findall(r"^\| `(\w+)` \| (text|number) \| (.*) \|$", read(ROOT / "docs/operations.md"), re.MULTILINE)
    assert [(name, kind.upper(), meaning) for name, kind, meaning in listed] == [(name, *what) for name, what in fields().items()]
