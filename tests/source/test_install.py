"""What `meson install` puts on a machine: program, manual pages, completion, unit, examples; each is looked at as its reader would."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BALER_BIN", str(ROOT / "build/src/cli/baler"))).resolve().parents[2]


def run(*words, **options):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60, check=False, **options)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    destination = tmp_path_factory.mktemp("install")
    answer = run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", destination)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return destination / "usr/local"


@pytest.fixture(scope="module")
def commands(prefix):
    shown = run(prefix / "bin/baler", "help").stdout
    names = re.findall(r"^  ([a-z0-9]+) +\S", shown.split("commands:\n")[1].split("\n\n")[0], re.MULTILINE)
    return [n for n in names if n not in ("help", "version")]


def need(program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


def test_the_program_runs_where_it_is_installed(prefix):
    assert run(prefix / "bin/baler", "version").stdout.startswith("baler ")
    assert (prefix / "share/doc/baler/LICENSE").read_text(encoding="utf-8").lstrip().startswith("Apache License")


def test_each_command_has_a_page_and_no_page_is_of_another(prefix, commands):
    pages = {p.name for p in (prefix / "share/man/man1").iterdir()}
    assert len(commands) >= 10 and pages == {"baler.1", *(f"baler-{c}.1" for c in commands)}


def test_the_pages_are_without_fault(prefix):
    need("mandoc")
    # A date is no property of what is built from a table.
    answer = run("mandoc", "-Tlint", "-Wwarning", *sorted((prefix / "share/man/man1").iterdir()))
    faults = [line for line in answer.stdout.splitlines() if "missing date" not in line]
    assert faults == [] and answer.stderr == ""


def read_page(prefix, name):
    need("mandoc")
    text = run("mandoc", "-Tutf8", "-Owidth=100", prefix / f"share/man/man1/{name}.1").stdout
    return re.sub(r".\x08", "", text)


def test_a_page_says_what_help_says(prefix):
    page = " ".join(read_page(prefix, "baler-serve").split())
    for part in ("baler-serve - S3 endpoint", "-c, --config FILE", "--batch-window TIME a bundle is closed", "Default: 15s; range: 100ms to 12h",
                 "Variable: BALER_BATCH_WINDOW", "EXIT STATUS 0 stopped as asked", "IDEMPOTENCY_TABLE_NAME the ledger is",
                 "DATA/root-key", "baler serve --data ./baler-data", "SEE ALSO baler(1), baler-status(1)"):
        assert part in page, part


def test_every_option_of_help_is_in_its_page(prefix, commands):
    for command in commands:
        options = re.findall(r"^  (--[a-z0-9-]+)", run(prefix / "bin/baler", "help", command).stdout, re.MULTILINE)
        page = read_page(prefix, f"baler-{command}")
        assert [o for o in options if o not in page] == [], command


def test_see_also_leads_to_pages(prefix):
    for page in (prefix / "share/man/man1").iterdir():
        for name in re.findall(r"^\.BR (\S+) \(1\)", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert (page.parent / (name.replace("\\-", "-") + ".1")).exists(), f"{page.name}: {name}"


@pytest.mark.parametrize("line, offered", [
    ("baler ser", {"serve"}),
    ("baler help whe", {"where"}),
    ("baler serve --batch-w", {"--batch-window"}),
    ("baler serve --compression ba", {"balanced"}),
    ("baler serve --compression = fa", {"fast"}),
    ("baler serve --log-level E", {"ERROR"}),
    ("baler serve --events-to", set()),
    ("baler pull --on-conflict ", {"newer", "beside", "fail"}),
    ("baler verify bund", set()),
])
def test_bash_completes(prefix, line, offered):
    words = line.split(" ")
    script = (f'. {prefix}/share/bash-completion/completions/baler; COMP_WORDS=({" ".join(repr(w) for w in words)}); '
              f'COMP_CWORD={len(words) - 1}; _baler; printf "%s\\n" "${{COMPREPLY[@]}}"')
    answer = run("bash", "-euc", script)
    assert answer.returncode == 0, answer.stderr
    assert set(answer.stdout.split()) == offered


def test_the_example_settings_are_settings(prefix, tmp_path):
    text = (prefix / "share/doc/baler/baler.yaml").read_text(encoding="utf-8")
    every = re.sub(r"^# ([a-z-]+: \S+)$", r"\1", text, flags=re.MULTILINE)
    every = "".join(line for line in every.splitlines(keepends=True) if not line.startswith(("tls-", "listen")))
    assert every.count("\nbatch-window: 15s\n") == 1
    (tmp_path / "baler.yaml").write_text(every)
    process = subprocess.Popen([prefix / "bin/baler", "serve", "-c", tmp_path / "baler.yaml", "--data", tmp_path / "d", "--listen",
                                "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().startswith("listening on "), process.stderr.read()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0


def unit(prefix, tmp_path):
    need("systemd-analyze")
    text = (prefix / "lib/systemd/system/baler.service").read_text(encoding="utf-8")
    assert "ExecStart=/usr/local/bin/baler serve " in text
    copy = tmp_path / "baler.service"
    copy.write_text(text.replace("/usr/local", str(prefix)))
    return copy


def test_systemd_takes_the_unit(prefix, tmp_path):
    answer = run("systemd-analyze", "verify", "--man=no", unit(prefix, tmp_path))
    assert answer.returncode == 0 and "baler.service" not in answer.stderr, answer.stderr


def test_the_unit_has_a_mount_namespace_of_its_own(prefix):
    assert "\nPrivateMounts=yes\n" in (prefix / "lib/systemd/system/baler.service").read_text(encoding="utf-8")


def test_the_unit_gives_up_what_it_can(prefix, tmp_path):
    answer = run("systemd-analyze", "security", "--offline=true", "--threshold=15", unit(prefix, tmp_path))
    assert answer.returncode == 0, answer.stdout[-300:]
