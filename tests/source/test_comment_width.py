"""No comment of the C code passes column 100, because a longer line is cut off in a review beside its diff."""
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = 100
FILES = sorted(file for folder in ("src", "tests") for file in (TOP / folder).rglob("*.[ch]") if "node_modules" not in file.parts)
# A string or a character literal is matched first, so that "/*" inside of a literal begins no comment.
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|(?P<comment>/\*.*?\*/|//[^\n]*)', re.DOTALL)


def too_long(text):
    """The numbers of the lines that hold a part of a comment and are wider than COLUMNS; a tab goes to the next multiple of 8."""
    lines, found = [re.sub(r"\s*\\$", "", line) for line in text.split("\n")], set()  # without the sign that a macro goes on
    for match in TOKEN.finditer(text):
        if match["comment"]:
            first = text.count("\n", 0, match.start())
            last = first + match["comment"].count("\n")
            found |= {n + 1 for n in range(first, last + 1) if len(lines[n].expandtabs(8)) > COLUMNS}
    return sorted(found)


def test_a_long_comment_is_found():
    assert too_long("int a;\t/* " + "x" * 87 + " */\n") == [1]
    assert too_long("int a;\t/* " + "x" * 86 + " */\n") == []
    assert too_long("/*\n" + "x" * 101 + "\n*/\n// " + "x" * 98 + "\n") == [2, 4]
    assert too_long('char *a = "/* ' + "x" * 101 + '";\n') == []


def test_no_comment_passes_column_100():
    assert len(FILES) > 100
    long = [f"{file.relative_to(TOP)}:{n}" for file in FILES for n in too_long(file.read_text(encoding="utf-8"))]
    assert not long, f"comments that pass column {COLUMNS}: {' '.join(long)}"
