"""Text from elsewhere reaches a terminal only through cli/say.c, which makes it printable. Nothing else in src/ writes to stdout or stderr."""
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "src"
WRITERS = re.compile(r"(?<![\w.>])(v?f?printf|v?dprintf|fputs?c?|puts|putchar|putc|fwrite|perror|psignal|warnx?|errx?|json_dumpf|json_dumpfd)"
                     r"(?:_unlocked)?\(|(?<![\w.>])write\((?:STDOUT_FILENO|STDERR_FILENO|1|2),")
# file: why it may write by itself
ALLOWED = {
    "cli/say.c": "the one printer",
    "cli/manual.c": "prints the constants of the table of commands",
    "cli/manual_page.c": "prints the constants of the table of commands",
    "cli/completion.c": "prints the constants of the table of commands",
    "cli/settings.c": "prints the constants of the table of settings",
    "obs/log.c": "escapes every text by json_add_string",
    "base/err.c": "die() prints a constant",
}


def code_of(path):
    """The file without comments and texts."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', text)


def test_only_the_printer_writes():
    found = {}
    for path in SOURCE.rglob("*.c"):
        name = str(path.relative_to(SOURCE))
        calls = sorted({m.group(0) for m in WRITERS.finditer(code_of(path))})
        if calls:
            found[name] = calls
    assert {name: calls for name, calls in found.items() if name not in ALLOWED} == {}
    assert set(ALLOWED) - set(found) == set(), "allowed without need"
