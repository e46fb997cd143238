"""The server under test: `baler serve` on a free port in a folder of its own."""
import os
import pathlib
import re
import secrets
import signal
import subprocess
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_S = 15
STOP_S = 15


class Server:
    """Starts it and waits for its "listening on" line; stop() asks with SIGTERM and returns the exit status."""

    def __init__(self, *options, data=None, keys=None):
        self.access_key, self.secret_key = keys or ("test" + secrets.token_hex(8), secrets.token_hex(20))
        self.folder = data or tempfile.mkdtemp(prefix="baler-test-")
        self.log_path = self.folder.rstrip("/") + ".log"
        binary = os.environ.get("BALER_BIN", str(ROOT / "build/src/cli/baler"))
        environment = dict(os.environ, BALER_ROOT_ACCESS_KEY=self.access_key, BALER_ROOT_SECRET_KEY=self.secret_key)
        command = [binary, "serve", "--data", os.path.join(self.folder, "data"), "--listen", "127.0.0.1:0", *options]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        self.endpoint = self._wait_until_listening()

    def _wait_until_listening(self):
        timer = threading.Timer(START_S, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                match = re.fullmatch(r"listening on (https?://\S+)\n", line)
                if match:
                    return match[1]
        finally:
            timer.cancel()
        raise RuntimeError("baler serve did not listen:\n" + self.log_tail())

    def log_tail(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-30:])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        finally:
            self.process.kill()
            self.process.stdout.close()
