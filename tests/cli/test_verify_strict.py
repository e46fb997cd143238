"""Archives that another reader would take for something else than ours does: `baler verify` and `baler pull` refuse them, saying why."""
import gzip
import subprocess
import tarfile
import zlib

import pytest

from consuming import BINARY, World, bundle, files_in

END = bytes(1024)


def member(name, body=b"", **attributes):
    """One member, header and padded body, without an end mark."""
    info = tarfile.TarInfo(name)
    info.size = len(body)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info.tobuf(tarfile.PAX_FORMAT) + body + bytes(-len(body) % 512)


def pax(records, kind=b"x"):
    """A pax header of these records, written as they are."""
    return raw_header("././@PaxHeader", len(records), kind) + records + bytes(-len(records) % 512)


def raw_header(name, size, kind):
    info = tarfile.TarInfo(name)
    info.size = size
    info.type = kind
    return info.tobuf(tarfile.USTAR_FORMAT)


def long_name(name):
    """GNU's: a header and a body in front of the member, which it gives its name."""
    return raw_header("././@LongLink", len(name) + 1, b"L") + name + bytes(512 - len(name))


def record(text):
    """ "LEN key=value\\n", LEN counting itself."""
    n = len(text) + 2
    while len(f"{n} {text}\n") != n:
        n += 1
    return f"{n} {text}\n".encode()


def changed(tar, at, put):
    """Its first header with other bytes there, and a checksum that is right."""
    header = bytearray(tar[:512])
    header[at:at + len(put)] = put
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + tar[512:]


def gz(tar):
    return gzip.compress(tar, mtime=0)


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


GOOD = member("a", b"hello")
WHOLE = gz(GOOD + END)
DAMAGED = flipped(GOOD, 3)
STRANGE = {
    "a second gzip member": (gz(GOOD) + gz(END), "second gzip member"),
    "a second bundle behind the first": (WHOLE + WHOLE, "second gzip member"),
    "garbage behind": (WHOLE + b"more", "behind it"),
    "zeros behind": (WHOLE + bytes(512), "behind it"),
    "cut in the checksum": (WHOLE[:-3], "cut off"),
    "wrong crc": (flipped(WHOLE, len(WHOLE) - 8), "incorrect data check"),
    "wrong length": (flipped(WHOLE, len(WHOLE) - 4), "incorrect length check"),
    "zlib instead of gzip": (zlib.compress(GOOD + END), "not a whole gzip file"),
    "a second archive behind the end mark": (gz(GOOD + END + member("b", b"x") + END), "behind its end mark"),
    "a member behind a single zero block": (gz(GOOD + bytes(512) + member("b", b"x") + END), "behind its end mark"),
    "something behind the end mark": (gz(GOOD + END + b"x" + bytes(511)), "behind its end mark"),
    "an end mark of one block": (gz(GOOD + bytes(512)), "end mark"),
    "not whole blocks": (gz(GOOD + END + b"\0"), "whole blocks"),
    "a global header": (gz(pax(record("path=b"), b"g") + GOOD + END), "global header"),
    "a global header at the end": (gz(GOOD + pax(record("comment=b"), b"g") + END), "global header"),
    "old sparse": (gz(raw_header("s", 512, b"S") + bytes(512) + END), "sparse"),
    "new sparse": (gz(pax(record("GNU.sparse.major=1") + record("GNU.sparse.minor=0") + record("GNU.sparse.realsize=9000000000")
                          + record("GNU.sparse.name=s")) + member("x", b"0\n") + END), "sparse"),
    "pax size larger than the rest": (gz(pax(record("size=99999")) + GOOD + END), "Truncated"),
    "pax size that takes the next header in": (gz(pax(record("size=600")) + GOOD + member("b", b"x" * 600) + END), "not a whole tar"),
    "pax size not a number": (gz(pax(record("size=-5")) + GOOD + END), "pax header"),
    "pax size beyond 64 bits": (gz(pax(record("size=36893488147419103237")) + GOOD + END), "pax header"),
    "pax record longer than its header": (gz(pax(b"99 path=b\n") + GOOD + END), "pax header"),
    "two pax headers": (gz(pax(record("path=b")) + pax(record("path=c")) + GOOD + END), "pax header"),
    "an empty pax path": (gz(pax(record("path=")) + GOOD + END), "bad name"),
    "a NUL in a pax path": (gz(pax(record("path=b\0c")) + GOOD + END), "bad name"),
    "a prefix with GNU's magic": (gz(changed(changed(GOOD, 345, b"b"), 257, b"ustar  \0") + END), "prefix"),
    "a prefix without a magic": (gz(changed(changed(GOOD, 345, b"b"), 257, bytes(8)) + END), "prefix"),
    "two long names": (gz(long_name(b"b") + long_name(b"c") + GOOD + END), "two long names"),
    "a long name, then a pax header": (gz(long_name(b"b") + pax(record("path=c")) + GOOD + END), "long name and a pax header"),
    "a pax header, then a long name": (gz(pax(record("path=c")) + long_name(b"b") + GOOD + END), "long name and a pax header"),
    "a long name without a member": (gz(GOOD + long_name(b"b") + END), "long name without a member"),
    "a pax header without a member": (gz(GOOD + pax(record("path=b")) + END), "pax header"),
    "a header with a wrong checksum": (gz(member("b", b"1") + DAMAGED + END), "damaged"),
    "an unknown kind of header": (gz(raw_header("v", 0, b"V") + GOOD + END), "'V'"),
    "a name that talks to the terminal": (bundle({"../\x1b[2J": b""}), "'../?[2J'"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_verify_says_why(tmp_path, kind):
    body, says = STRANGE[kind]
    (tmp_path / "b.tar.gz").write_bytes(body)
    answer = subprocess.run([BINARY, "verify", tmp_path / "b.tar.gz"], capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 1 and says in answer.stderr, answer.stderr
    assert answer.stdout == "" and answer.stderr.count("\n") == 1


SOUND = {
    "ours": WHOLE,
    "long names": gz(member("n" * 200 + "/" + "é" * 100, b"x") + END),
    "a prefix": gz(changed(GOOD, 345, b"b") + END),
    "GNU's long name": gz(long_name(b"b" * 200) + GOOD + END),
    "a pax size that is true": gz(pax(record("size=5")) + GOOD + END),
    "ten zero blocks more": gz(GOOD + END + bytes(5120)),
}


@pytest.mark.parametrize("kind", SOUND)
def test_what_is_sound_stays_so(tmp_path, kind):
    (tmp_path / "b.tar.gz").write_bytes(SOUND[kind])
    answer = subprocess.run([BINARY, "verify", tmp_path / "b.tar.gz"], capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0 and "1 members" in answer.stdout, answer.stderr


@pytest.mark.parametrize("form", ["gnu", "pax", "ustar"])
def test_gnu_tars_own_archives_are_sound(tmp_path, form):
    names = ["a", "n" * 90] if form == "ustar" else ["a", "n" * 120, "é"]
    for name in names:
        (tmp_path / name).write_bytes(name.encode() * 300)
    subprocess.run(["tar", "-C", tmp_path, "-czf", tmp_path / "b.tar.gz", f"--format={form}", *names], check=True)
    answer = subprocess.run([BINARY, "verify", tmp_path / "b.tar.gz"], capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0 and f"{len(names)} members" in answer.stdout, answer.stderr


def test_pull_writes_nothing_of_them(tmp_path):
    world = World(tmp_path / "s")
    keys = [f"2026/11/23/11/bundle-{i:032x}.tar.gz" for i in range(len(STRANGE))]
    for key, (body, _) in zip(keys, STRANGE.values()):
        world.publish(key, body)
    answer = world.baler("pull", "--to", tmp_path / "to")
    left = world.keys()
    world.close()
    assert answer.returncode == 1 and left == keys
    assert files_in(tmp_path / "to") == {}
    for key, (_, says) in zip(keys, STRANGE.values()):
        line = next(line for line in answer.stderr.splitlines() if key in line)
        assert says in line, line
