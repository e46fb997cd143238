"""A crowd of strangers at the endpoint: connections that have no key, of one kind, held against a server for a while. Run by itself it is a process of
its own, so that whoever measures is not slowed down by it: crowd.py HOST PORT KIND CONNECTIONS ADDRESSES SECONDS."""
import errno
import socket
import sys
import time

TICK_S = 0.05
TCP_ESTABLISHED, TCP_SYN_SENT = 1, 2  # of tcp(7), TCP_INFO
BODY = b"PUT /landing/k HTTP/1.1\r\nHost: x\r\nContent-Length: 15000000\r\n\r\n"
CHUNKED = b"PUT /landing/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
# kind → (what is sent at once, what is sent again and again, how often a second, whether answers are read)
KINDS = {
    "slow head": (b"GET /landing/k HTTP/1.1\r\nHost: x\r\nx-a: ", b"a" * 20, 10, True),
    "slow body": (BODY, b"b" * 20, 10, True),
    "slow chunks": (CHUNKED, b"1\r\nb\r\n", 20, True),
    "small bodies": (b"PUT /landing/k HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n", b"b" * 30, 10, True),
    "unread answers": (b"", b"GET /landing/none HTTP/1.1\r\nHost: x\r\n\r\n" * 20, 2, False),
    "slow readers": (b"GET /landing/none HTTP/1.1\r\nHost: x\r\n\r\n" * 500, b"", 1, False),
    "silence": (b"", b"", 1, True),
}


class Stranger:
    def __init__(self, address, kind, number):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.bind((address, 0))
        self.socket.setblocking(False)
        first, self.again, per_s, self.reads = KINDS[kind]
        self.step = 1 / per_s
        self.next = time.monotonic() + number % 100 / 100 * self.step
        self.pending = first

    def connect(self, target):
        done = self.socket.connect_ex(target)
        return done in (0, errno.EINPROGRESS)

    def act(self, now):
        """False: the server has closed it."""
        if now >= self.next:
            self.next = now + self.step
            self.pending = (self.pending + self.again)[:65536]
        try:
            if self.pending:
                self.pending = self.pending[self.socket.send(self.pending):]
            if self.reads:
                return self.socket.recv(4096) != b""
        except BlockingIOError:
            if self.reads:
                return True
        except OSError as failure:
            return failure.errno == errno.ENOTCONN  # not yet
        # without reading, the state alone shows that the other side has closed
        return self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in (TCP_ESTABLISHED, TCP_SYN_SENT)


def hold(host, port, kind, connections, addresses, seconds):
    """Keeps that many connections for that long; who is closed comes again. How often one had to."""
    everybody, ended, until, n = [], 0, time.monotonic() + seconds, 0
    while time.monotonic() < until:
        now = time.monotonic()
        alive = []
        for stranger in everybody:
            if stranger.act(now):
                alive.append(stranger)
            else:
                stranger.socket.close()
                ended += 1
        everybody = alive
        for _ in range(min(connections - len(everybody), 200)):
            n += 1
            stranger = Stranger(f"127.0.0.{1 + n % addresses}", kind, n)
            if stranger.connect((host, port)):
                everybody.append(stranger)
        time.sleep(max(0, TICK_S - (time.monotonic() - now)))
    for stranger in everybody:
        stranger.socket.close()
    return ended


def main():
    host, port, kind, connections, addresses, seconds = sys.argv[1:]
    print("ready", flush=True)
    print(hold(host, int(port), kind, int(connections), int(addresses), float(seconds)))


if __name__ == "__main__":
    main()
