"""A stand-in for Lambda's Invoke API: bundles what it is handed out of a real landing bucket, or does one thing wrong."""
import base64
import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading
import urllib.parse


class FakeFunction:
    """Serves POST /2015-03-31/functions/NAME/invocations until close(); `calls` is what it was sent."""

    def __init__(self, s3, distribution, limit_bytes, wrong=None):
        self.s3, self.distribution, self.limit, self.wrong = s3, distribution, limit_bytes, wrong
        self.calls = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.calls.append((self.path, dict(self.headers), json.loads(body)))
                status, headers, answer = outer.answer(json.loads(body))
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, event):
        if self.wrong == "denied":
            return 403, {"x-amzn-errortype": "AccessDeniedException"}, b'{"message":"not with these keys"}'
        if self.wrong == "failing":
            return 200, {"x-amz-function-error": "Unhandled"}, b'{"errorMessage":"no space left"}'
        taken, total = [], 0
        for record in event["records"]:
            size = -(-record["s3"]["object"]["size"] // 512) * 512
            if total + size > self.limit and self.wrong != "greedy":
                break
            taken.append(record["s3"])
            total += size
        self.bundle(taken)
        log = b'{"processed_records":%d}\n' % len(taken)
        if len(taken) < len(event["records"]) and self.wrong != "quiet":
            log = b'{"message":"Predicted disk usage exceeds limit"}\n' + log
        return 200, {"x-amz-log-result": base64.b64encode(log).decode()}, b"{}"

    def bundle(self, taken):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for s3 in taken:
                key = urllib.parse.unquote_plus(s3["object"]["key"])
                got = self.s3.get_object(Bucket=s3["bucket"]["name"], Key=key, VersionId=s3["object"]["versionId"])
                assert got["ETag"].strip('"') == s3["object"]["eTag"]
                member = tarfile.TarInfo(key)
                member.size = got["ContentLength"]
                tar.addfile(member, got["Body"])
        packed = gzip.compress(out.getvalue(), 1)
        self.s3.put_object(Bucket=self.distribution, Key=f"2026/01/01/00/bundle-{len(self.calls):08d}.tar.gz", Body=packed,
                           ContentType="application/gzip", Metadata={"content-sha256": hashlib.sha256(packed).hexdigest()})

    def close(self):
        self.server.shutdown()
        self.server.server_close()
