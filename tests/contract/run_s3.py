#!/usr/bin/env python3
"""Starts 'baler serve' on a free port with a fresh data folder, runs a program against it, stops the server.

usage: run_s3.py BALER PROGRAM [ARGUMENT…]; the exit status is the program's.
"""
import os
import re
import subprocess
import sys
import tempfile

STOP_SECONDS = 20


def main():
    baler, program = sys.argv[1], sys.argv[2:]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "BALER_"))}
    env["BALER_ROOT_ACCESS_KEY"] = env["AWS_ACCESS_KEY_ID"] = "CONTRACTTESTKEY"
    env["BALER_ROOT_SECRET_KEY"] = env["AWS_SECRET_ACCESS_KEY"] = "contract-test-secret-0123456789"
    env["AWS_REGION"] = "us-east-1"
    with tempfile.TemporaryDirectory() as folder:
        env["HOME"] = folder
        server = subprocess.Popen(
            [baler, "serve", "--data", f"{folder}/data", "--listen", "127.0.0.1:0", "--log-level", "ERROR"],
            stdout=subprocess.PIPE, text=True, env=env)
        try:
            line = server.stdout.readline()
            ready = re.match(r"listening on (http://\S+)", line)
            if not ready:
                sys.exit(f"the server said '{line.strip()}' instead of where it listens")
            env["AWS_ENDPOINT_URL"] = ready.group(1)
            return subprocess.run(program, env=env, check=False).returncode
        finally:
            server.terminate()
            server.wait(STOP_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
