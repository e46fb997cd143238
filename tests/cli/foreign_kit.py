"""Another S3 store behind a door that a test can close, and its notifications."""
import http.client
import http.server
import threading
import time
import urllib.parse

from foreign_store import ForeignStore

BUCKET = "their-landing"
DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>a policy is being rolled out</Message></Error>'


class Door(http.server.ThreadingHTTPServer):
    """Passes requests on. state: "open", "shut" (connections are closed without an answer), "denied" (each is answered 403),
    "hung" (none is answered)."""
    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), Passing)
        self.behind, self.state, self.n_asked = port, "open", 0
        self.versions = None  # a document to answer listings of versions with, in place of the store's
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_):
        pass


class Passing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        self.server.n_asked += 1
        if self.server.state == "shut":
            self.close_connection = True
            return
        if self.server.state == "hung":
            time.sleep(60)
        if self.server.state == "denied":
            self.answer(403, [("Content-Type", "application/xml")], DENIED)
            return
        if self.server.versions and "versions" in urllib.parse.parse_qs(self.path.split("?")[-1], keep_blank_values=True):
            self.answer(200, [("Content-Type", "application/xml")], self.server.versions)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        onward = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=20)
        onward.request(self.command, self.path, body, dict(self.headers))
        reply = onward.getresponse()
        skipped = ("connection", "transfer-encoding", "content-length", "server", "date")
        self.answer(reply.status, [h for h in reply.getheaders() if h[0].lower() not in skipped], reply.read(),
                    reply.getheader("Content-Length"))
        onward.close()

    def answer(self, status, headers, body, length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # pylint: disable=invalid-name

    def log_message(self, *_):
        pass


class Foreign(ForeignStore):
    """The store; baler comes to it through the door."""

    def __init__(self):
        super().__init__()
        self.door = Door(int(self.endpoint.rsplit(":", 1)[1]))
        self.s3 = self.client()
        self.n_events = 0
        self.add_bucket(BUCKET, versioned=True)

    def add_bucket(self, name, versioned):
        self.s3.create_bucket(Bucket=name)
        if versioned:
            self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})

    def put(self, key, body, bucket=BUCKET):
        """Puts it and returns the record its store would send."""
        put = self.s3.put_object(Bucket=bucket, Key=key, Body=body)
        self.n_events += 1
        thing = {"key": urllib.parse.quote_plus(key), "size": len(body), "eTag": put["ETag"].strip('"'),
                 "sequencer": f"{0x17F2A00000000000 + self.n_events:016X}"}
        if put.get("VersionId"):
            thing["versionId"] = put["VersionId"]
        return {"eventVersion": "2.0", "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put",
                "s3": {"bucket": {"name": bucket}, "object": thing}}

    def stop(self):
        self.door.shutdown()
        self.door.server_close()
        super().stop()
