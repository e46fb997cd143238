"""Drivers of the memory table: each brings one kind of buffer to its worst, and leaves it there until its connections are closed.

They speak raw HTTP, many connections at a time, and are as hostile as a client with a key can be: bodies that stop in the middle, answers that
are never read.
"""
import contextlib
import json
import os
import resource
import selectors
import socket
import subprocess
import time

from operator_kit import Baler, LANDING, ROOT
from rawhttp import Http

UPLOAD_ID = "0" * 32


def allow_sockets(n):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, n + 200), hard), hard))


class Memory(Baler):
    """A server whose memory is looked at."""

    def __init__(self, folder, *options):
        super().__init__(folder, *options)
        host, port = self.server.endpoint.rsplit("//", 1)[1].rsplit(":", 1)
        self.http = Http(host, int(port), self.server.access_key, self.server.secret_key)

    def mib(self, what="VmHWM"):
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith(what + ":"))

    def share(self, name):
        shares = self.json("status")["memory"]["shares"]
        return next(share for share in shares if share["name"] == name)

    def signed(self, method, target, body=b"", headers=(), payload_hash=None):
        return self.http.request(method, target, body, headers, payload_hash).sign()

    def honest(self):
        """Beside whatever goes on, a client with little to do is served at once."""
        begin = time.monotonic()
        for i in range(5):
            self.put(f"data/honest-{begin}-{i}")
        self.s3.list_objects_v2(Bucket=LANDING, Prefix="data/honest", MaxKeys=10)
        return time.monotonic() - begin


@contextlib.contextmanager
def serving(folder, *options):
    memory = Memory(folder, *options)
    try:
        yield memory
    finally:
        memory.server.stop()


@contextlib.contextmanager
def connections(memory, n):
    """Each is made known by a signed request: strangers are the first to be ended."""
    allow_sockets(n)
    hello = memory.signed("HEAD", f"/{LANDING}").head()
    sockets = []
    try:
        for _ in range(n):
            sockets.append(socket.create_connection((memory.http.host, memory.http.port), 20))
            sockets[-1].sendall(hello)
            assert sockets[-1].recv(4096).startswith(b"HTTP/1.1 200"), memory.server.log_tail()
        yield sockets
    finally:
        for s in sockets:
            s.close()


def send_all(sockets, data_of, seconds=60):
    """Sends data_of(i) on each as fast as they take it, in turn, and gives up what is not taken in time. Answers are left unread."""
    selector = selectors.DefaultSelector()
    for i, s in enumerate(sockets):
        s.setblocking(False)
        selector.register(s, selectors.EVENT_WRITE, [memoryview(data_of(i))])
    until = time.monotonic() + seconds
    while selector.get_map() and time.monotonic() < until:
        ready = selector.select(3)
        if not ready:
            break  # nobody takes anything any more
        for key, _ in ready:
            try:
                key.data[0] = key.data[0][key.fileobj.send(key.data[0][:65536]):]
            except BlockingIOError:
                continue
            except OSError:
                key.data[0] = b""
            if not key.data[0]:
                selector.unregister(key.fileobj)


def statuses(sockets):
    """What has been answered so far, by status; 0: nothing."""
    counts = {}
    for s in sockets:
        try:
            s.setblocking(False)
            data = s.recv(64)
            status = int(data.split()[1]) if data.startswith(b"HTTP/1.1 ") else 0
        except (BlockingIOError, OSError):
            status = 0
        counts[status] = counts.get(status, 0) + 1
    return counts


def load(memory, *options):
    """Puts at a steady rate, by the program of the benches."""
    environment = dict(os.environ, AWS_ACCESS_KEY_ID=memory.http.access_key, AWS_SECRET_ACCESS_KEY=memory.http.secret_key)
    subprocess.run([ROOT / "build/tests/bench/load_put", "--port", str(memory.http.port), *options], env=environment, check=True,
                   capture_output=True, timeout=600)


def half(request, body, keep=1):
    """A request without the last bytes of its body."""
    return request.head() + body[:len(body) - keep]


def complete_document(n_parts):
    part = "<Part><PartNumber>{}</PartNumber><ETag>{:032x}</ETag></Part>"
    return ("<CompleteMultipartUpload>" + "".join(part.format(i + 1, i) for i in range(n_parts)) +
            "</CompleteMultipartUpload>").encode()


def delete_document(n, key_bytes=1):
    objects = "".join(f"<Object><Key>{i:0{key_bytes}}</Key></Object>" for i in range(n))
    return f"<Delete>{objects}</Delete>".encode()


def json_bomb(n_bytes):
    """As many values as fit."""
    return b"[" + b"{}," * ((n_bytes - 4) // 3) + b"1]"


def write_report(name, memory, **more):
    """One line of JSON for whoever draws the table (script/check-full)."""
    path = os.environ.get("BALER_MEMORY_REPORT")
    if path:
        with open(path, "a", encoding="utf-8") as out:
            out.write(json.dumps({"row": name, "hwm_mib": round(memory.mib(), 1), **more}) + "\n")
