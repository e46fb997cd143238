"""docs/security.md names a test for each threat; the names must be those of tests that are there."""
import pathlib
import re

TESTS = pathlib.Path(__file__).resolve().parents[1]
ROWS = [line for line in (TESTS.parent / "docs/security.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]


def functions_of(name):
    """Of the Python tests called so; None when there is no such file."""
    files = list(TESTS.glob(f"*/test_{name}.py"))
    return "\n".join(re.findall(r"^def (test_\w+)", files[0].read_text(encoding="utf-8"), re.MULTILINE)) if files else None


def test_every_test_of_the_table_is_there():
    """In the last column: `file` and words of its functions; test_x.c and words of its functions."""
    named = 0
    for row in ROWS:
        names, where = None, None
        for code, c_file, word in re.findall(r"`(\w+)`|(test_\w+\.c)|\b([a-z0-9]+(?:_[a-z0-9]+)+)\b", row.rsplit(" | ", 1)[1]):
            if code:
                where, names = code, functions_of(code)
                assert names is not None, f"no test_{code}.py: {row}"
            elif c_file:
                where, file = c_file, TESTS / "unit" / c_file
                assert file.exists(), row
                names = file.read_text(encoding="utf-8")
            else:
                assert names and word in names, f"{where} has no {word}: {row}"
            named += 1
    assert named > 80


def test_every_number_of_the_list_has_a_row():
    numbers = [n for row in ROWS for n in re.findall(r"\d+", row.split("|")[1]) if re.fullmatch(r"[\d, ]+", row.split("|")[1])]
    assert sorted(map(int, numbers)) == list(range(1, 49))
