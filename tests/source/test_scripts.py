"""The scripts that judge the others must themselves be able to say no."""
import json
import pathlib
import subprocess

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "script"


def run(name, *words):
    done = subprocess.run([SCRIPT / name, *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("path, line, offence", [
    ("base/x.c", '#include "model/object_id.h"', "base may include only itself"),
    ("core/x.c", '#include "adapter/local/db.h"', "core may include only"),
    ("adapter/mem/x.c", '#include "adapter/local/db.h"', "adapter/mem may include only"),
    ("verify/x.c", '#include "pack/gzip.h"', "verify may include only"),
    ("verify/x.c", '#include "core/plan.h"', "verify may include only"),
    ("gateway/x.c", "#include <sqlite3.h>", "one door"),
    ("gateway/http/x.c", '#include "gateway/s3/route.h"', "gateway/http may include only"),
    ("gateway/http/x.c", '#include "gateway/front.h"', "gateway/http may include only"),
    ("gateway/http/x.c", '#include "gateway/access/auth.h"', "gateway/http may include only"),
    ("gateway/access/x.c", '#include "gateway/s3/route.h"', "gateway/access may include only"),
    ("gateway/admin/x.c", '#include "gateway/s3/route.h"', "gateway/admin may include only"),
    ("gateway/lambda/x.c", '#include "gateway/admin/admin.h"', "gateway/lambda may include only"),
    ("core/x.c", "  #  include <curl/curl.h>", "one door"),
    ("core/x.c", '#include "plan.h"', "not written from src/"),
    ("other/x.c", "", "belongs to no layer"),
])
def test_check_includes_names_each_offence(tmp_path, path, line, offence):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(f"#include <stdio.h>\n{line}\n")
    status, output = run("check-includes", tmp_path)
    assert status == 1 and offence in output and path in output


def test_check_includes_allows_what_the_table_allows(tmp_path):
    for path, line in (("core/x.c", '#include "port/ledger.h"'), ("verify/x.c", '#include "model/object_id.h"'),
                       ("cli/x.c", '#include "adapter/local/db.h"'), ("adapter/local/x.c", "#include <sqlite3.h>"),
                       ("gateway/http/x.c", '#include "gateway/config.h"'), ("gateway/s3/x.c", '#include "gateway/access/roles.h"'),
                       ("gateway/x.c", '#include "gateway/lambda/invoke.h"')):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(line + "\n")
    assert run("check-includes", tmp_path)[0] == 0
    (tmp_path / "empty").mkdir()
    assert run("check-includes", tmp_path / "empty")[0] == 1, "nothing looked at is nothing proved"


def meson_log(path, *results):
    path.write_text("".join(json.dumps({"name": "t", "result": result}) + "\n" for result in results))
    return path


def last_line(output):
    return output.splitlines()[-1]


@pytest.mark.parametrize("results, line", [
    (["OK", "OK"], "2 passed, 0 failed"), (["OK", "TIMEOUT"], "1 passed, 1 failed"), (["OK", "FAIL", "ERROR"], "1 passed, 2 failed"),
    (["OK", "SKIP"], "1 passed, 0 failed"), (["SKIP"], "0 passed, 0 failed"), ([], "0 passed, 0 failed")])
def test_tally_of_meson(tmp_path, results, line):
    status, output = run("tally", f"meson:0:{meson_log(tmp_path / 'log.json', *results)}")
    assert last_line(output) == line
    assert status == (0 if "OK" in results and line.endswith(" 0 failed") else 1)


def test_tally_adds_stages_and_believes_no_bad_status(tmp_path):
    junit = tmp_path / "pytest.xml"
    junit.write_text('<testsuites><testsuite><testcase name="a"/><testcase name="b"><failure/></testcase>'
                     '<testcase name="c"><skipped/></testcase></testsuite></testsuites>')
    meson = meson_log(tmp_path / "log.json", "OK")
    assert run("tally", f"meson:0:{meson}", f"clients:1:{junit}")[1].endswith("2 passed, 1 failed\n")
    assert run("tally", f"meson:139:{meson}") == (1, "meson: 1 passed, 1 failed\n1 passed, 1 failed\n")
    assert run("tally", "build:1:") == (1, "build: 0 passed, 1 failed\n0 passed, 1 failed\n")
    for status in (0, 4):
        assert run("tally", f"meson:0:{meson}", f"clients:{status}:{tmp_path / 'none.xml'}")[1].endswith("1 passed, 1 failed\n")


def test_each_deliberate_breakage_still_applies():
    done = subprocess.run([SCRIPT.parent / "tests/mutants/run", "--check"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
