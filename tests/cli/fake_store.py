"""An S3 endpoint that misbehaves on demand: enough of the protocol for the consumer's commands, everything in memory."""
import hashlib
import http.server
import threading
import urllib.parse

PAGE = 1000
WHEN = "Mon, 23 Nov 2026 11:00:00 GMT", "2026-11-23T11:00:00Z"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in ({"Content-Length": len(body)} | headers).items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code, **headers):
        self.answer(status, f"<Error><Code>{code}</Code><Message>{code} it is</Message></Error>".encode(), **headers)

    def split(self):
        path, _, query = self.path.partition("?")
        if path.startswith("http://"):  # asked as a proxy
            path = "/" + path.split("/", 3)[3]
        bucket, _, key = urllib.parse.unquote(path).lstrip("/").partition("/")
        return bucket, key, dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

    def handle_one(self):
        store = self.server.store
        if self.server is not store.server:  # a connection from before it was down
            self.close_connection = True
            return
        bucket, key, query = self.split()
        with store.lock:
            store.requests.append((self.command, key, query, dict(self.headers)))
            fault = store.fault(self.command, key, query) if store.fault else None
        if fault:
            fault(self)
            return
        if bucket != store.bucket:
            self.error(404, "NoSuchBucket")
        elif not key:
            self.of_bucket(store, query)
        elif key not in store.objects:
            self.error(404, "NoSuchKey")
        else:
            self.of_object(store, key)

    def of_bucket(self, store, query):
        if self.command == "POST":
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            for key in [k for k in store.objects if f"<Key>{k}</Key>" in body]:
                del store.objects[key]
            self.answer(200, b"<DeleteResult></DeleteResult>")
        elif self.command == "HEAD":
            self.answer(200, x_amz_bucket_region="us-east-1")
        else:
            keys = sorted(store.objects)
            start = int(query.get("continuation-token", "0"))
            page = keys[start:start + PAGE]
            more = start + PAGE < len(keys)
            entries = "".join(f"<Contents><Key>{k}</Key><LastModified>{WHEN[1]}</LastModified><ETag>\"{k[-9:-7]}\"</ETag>"
                              f"<Size>{len(store.objects[k])}</Size></Contents>" for k in page)
            self.answer(200, (f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{entries}" + (
                f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if more else "") + "</ListBucketResult>").encode())

    def of_object(self, store, key):
        body = store.objects[key]
        self.answer(200, body, x_amz_meta_content_sha256=hashlib.sha256(body).hexdigest(), Last_Modified=WHEN[0], ETag='"e"')

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_one


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass  # a client that is killed


class FakeStore:
    """objects: {key: bytes} of one bucket. fault(method, key, query): None, or what answers instead, given the handler."""

    def __init__(self, bucket="dist", port=0):
        self.bucket, self.objects, self.fault, self.requests, self.lock = bucket, {}, None, [], threading.Lock()
        self.port = port
        self.up()

    def up(self):
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.server.store = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self):
        server, self.server = self.server, None
        if server:
            server.shutdown()
            server.server_close()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def environment(self, home):
        return {"PATH": "/usr/bin:/bin", "HOME": str(home), "AWS_ACCESS_KEY_ID": "theKey", "AWS_SECRET_ACCESS_KEY": "theSecret",
                "AWS_ENDPOINT_URL": self.endpoint, "DISTRIBUTION_BUCKET_NAME": self.bucket}
