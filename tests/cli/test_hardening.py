"""What a break-in would meet: how the program is linked, and what the process has given up (docs/security.md, "Hardening")."""
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest
import requests

from operator_kit import BINARY, LANDING, Baler, Server

SECRETS = {"BALER_EVENTS_TOKEN": "the-token-of-the-other-store", "BALER_LANDING_ACCESS_KEY_ID": "foreign",
           "BALER_LANDING_SECRET_ACCESS_KEY": "the-secret-of-the-other-store", "BALER_LANDING_SESSION_TOKEN": "the-session-of-the-other-store"}


def readelf(*words):
    return subprocess.run(["readelf", "-W", *words, BINARY], capture_output=True, text=True, timeout=60, check=True).stdout


def symbols():
    return {line.split()[7].split("@")[0] for line in readelf("--dyn-syms").splitlines() if len(line.split()) > 7}


def test_it_is_position_independent():
    assert "DYN (Position-Independent Executable file)" in readelf("-h")


def test_its_tables_are_read_only_once_it_runs():
    assert "GNU_RELRO" in readelf("-l")
    assert "BIND_NOW" in readelf("-d")


def test_its_stack_is_not_executable_and_nothing_is_writable_and_executable():
    segments = [line.split() for line in readelf("-l").splitlines() if line.startswith("  ") and " 0x" in line]
    flags = {s[0]: "".join(s[6:-1]) for s in segments if s[0] in ("GNU_STACK", "LOAD")}
    assert flags["GNU_STACK"] == "RW"
    assert all("".join(s[6:-1]) in ("R", "RE", "RW") for s in segments if s[0] == "LOAD"), segments


def test_it_searches_no_folder_of_its_own_for_libraries():
    assert "RUNPATH" not in readelf("-d") and "RPATH" not in readelf("-d")


def test_stack_and_buffers_are_guarded():
    found = symbols()
    assert "__stack_chk_fail" in found
    if "__asan_init" not in found and "__tsan_init" not in found:  # the sanitizers have checks of their own instead
        assert len({s for s in found if s.startswith("__") and s.endswith("_chk")}) >= 5, found


@pytest.fixture
def folder():
    """One that also another user may enter."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="baler-hard-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def process_of(server, name):
    return pathlib.Path(f"/proc/{server.process.pid}/{name}")


@pytest.fixture
def server(folder, monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    running = Server("--landing-endpoint", "http://127.0.0.1:1", data=str(folder / "s"))
    yield running
    assert running.stop() == 0, running.log_tail()


def test_the_process_dumps_no_core_and_gains_nothing_by_exec(server):
    status = dict(line.split(":", 1) for line in process_of(server, "status").read_text().splitlines())
    assert status["NoNewPrivs"].strip() == "1"
    limits = process_of(server, "limits").read_text()
    core = next(line.split() for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core[4:6] == ["0", "0"]


def test_no_secret_is_where_others_can_read_it(server):
    texts = [process_of(server, "cmdline").read_bytes(), pathlib.Path(server.log_path).read_bytes()]
    try:
        texts.append(process_of(server, "environ").read_bytes())
    except PermissionError:
        pass  # root alone may look, and we are not root
    for secret in (server.secret_key, *(v for k, v in SECRETS.items() if k != "BALER_LANDING_ACCESS_KEY_ID")):
        assert all(secret.encode() not in text for text in texts), secret


def test_other_processes_of_the_user_cannot_look_into_it(folder):
    """The kernel gives what is below /proc/PID of a process that may not be dumped to root."""
    nobody = pwd.getpwnam("nobody")
    is_root = os.geteuid() == 0
    user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []} if is_root else {}
    binary = shutil.copy(BINARY, folder / "baler")
    data = folder / "data"
    data.mkdir()
    if is_root:
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
    with subprocess.Popen([binary, "serve", "--data", str(data), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, **user) as process:
        assert process.stdout.readline().startswith("listening on ")
        owner = os.stat(f"/proc/{process.pid}/environ").st_uid
        process.terminate()
        assert process.wait(15) == 0
    assert owner == 0


def test_nothing_it_keeps_is_readable_by_others(server):
    kept = [path for path in pathlib.Path(server.folder, "data").rglob("*")]
    assert kept and all(path.stat().st_mode & 0o077 == 0 for path in kept)


@pytest.mark.parametrize("form", ["json", "text"])
def test_security_42_keys_in_the_log_do_nothing_to_a_terminal(tmp_path, form):
    """A key that is refused is named in the log: no control character of it gets there, nor a second line of its making."""
    running = Baler(tmp_path / "s", "--log-format", form)
    running.put("data/\x1b[2Jclear\r\nfake \x9b line\x07")
    running.wait(lambda: b"object-rejected" in pathlib.Path(running.server.log_path).read_bytes())
    running.stop()
    text = pathlib.Path(running.server.log_path).read_bytes()
    assert not set(text) & (set(range(32)) - {10} | {127}), text
    assert b"\xc2\x9b" not in text
    assert not any(line.startswith(b"fake") for line in text.splitlines())


def test_security_42_signatures_and_secrets_are_not_logged(tmp_path):
    running = Baler(tmp_path / "s", "--log-level", "DEBUG")
    running.put("k")
    url = running.s3.generate_presigned_url("get_object", Params={"Bucket": LANDING, "Key": "k"}, ExpiresIn=60)
    requests.get(url, timeout=20)
    requests.get(running.server.endpoint + "/x?X-Amz-Signature=0123456789abcdef", headers={"Authorization": "Bearer a-secret-token-of-somebody"}, timeout=20)
    running.stop()
    text = pathlib.Path(running.server.log_path).read_text(encoding="utf-8")
    for secret in (running.server.secret_key, "0123456789abcdef", "a-secret-token-of-somebody", url.partition("Signature=")[2][:20]):
        assert secret not in text, secret
