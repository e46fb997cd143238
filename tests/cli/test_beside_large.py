"""Beside one large or slow object everything else comes out within the window and 2 s (docs/failures.md)."""
import hashlib
import http.server
import io
import json
import tarfile
import threading
import time
import urllib.parse

import pytest

from operator_kit import DISTRIBUTION, LANDING, Baler
from test_events import TOKEN, post, s3_record, with_token

BUCKET = "their-landing"
LARGE = 512 << 20


class Trickling(http.server.ThreadingHTTPServer):
    """Objects of another store: those under data/slow come at 10 KB/s, data/silent gives its headers and then nothing."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Giving)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass


def bytes_of(key):
    return key.encode() * (10000 if key.startswith("data/s") else 1)


class Giving(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: N802
        key = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)[len(BUCKET) + 2:]
        data = bytes_of(key)
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.md5(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for at in range(0, len(data), 1000):
            if key.startswith("data/silent"):
                time.sleep(20)
            if key.startswith("data/slow"):
                time.sleep(0.1)
            self.wfile.write(data[at:at + 1000])

    def log_message(self, *_):
        pass


def announce(baler, keys):
    records = [s3_record(BUCKET, key, "v1", len(bytes_of(key)), hashlib.md5(bytes_of(key)).hexdigest()) for key in keys]
    assert post(baler, {"Records": records}, token=TOKEN).status_code == 200


@pytest.mark.parametrize("name", ["data/slow", "data/silent"])
def test_objects_behind_one_that_trickles_do_not_wait_for_it(tmp_path, monkeypatch, name):
    store = Trickling()
    for variable in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"BALER_LANDING_{variable}", "foreign")
    baler = with_token(tmp_path / "s", "--landing-endpoint", f"http://127.0.0.1:{store.server_port}", "--landing-bucket", BUCKET)
    try:
        announce(baler, [name, *(f"data/well-{i}" for i in range(5))])
        began = time.monotonic()
        baler.wait(lambda: sum(len(tar_names(baler, key)) for key in baler.bundles()) == 5, seconds=20)
        assert time.monotonic() - began < 6, "window 0.3 s; the slow object takes 10 s at least"
        assert name not in {n for key in baler.bundles() for n in tar_names(baler, key)}
        assert '"event":"object-alone"' in baler.server.log_tail()
    finally:
        baler.stop()
        store.shutdown()
        store.server_close()


def published_bytes(baler):
    """What each bundle held, in the order of publishing."""
    with open(baler.server.log_path, encoding="utf-8") as log:
        events = [json.loads(line) for line in log if '"event":"bundle-published"' in line]
    return [event["object_bytes"] for event in events]


def test_objects_behind_a_large_one_put_in_parts_do_not_wait_for_it(tmp_path):
    baler = Baler(tmp_path / "s")
    part, n_parts = b"0123456789abcdef" * (4 << 20), LARGE // (64 << 20)
    try:
        upload = baler.s3.create_multipart_upload(Bucket=LANDING, Key="data/large")["UploadId"]
        etags = [baler.s3.upload_part(Bucket=LANDING, Key="data/large", UploadId=upload, PartNumber=i + 1, Body=part)["ETag"]
                 for i in range(n_parts)]
        baler.s3.complete_multipart_upload(Bucket=LANDING, Key="data/large", UploadId=upload, MultipartUpload={
            "Parts": [{"ETag": etag, "PartNumber": i + 1} for i, etag in enumerate(etags)]})
        for i in range(5):
            baler.put(f"data/small-{i}", b"small")
        published = baler.wait(lambda: (all_published := published_bytes(baler)) and sum(all_published) == LARGE + 25 and all_published, 60)
        assert published[-1] == LARGE and len(published) > 1, "small objects waited for the large one"
    finally:
        baler.stop()


def tar_names(baler, key):
    body = baler.s3.get_object(Bucket=DISTRIBUTION, Key=key)["Body"].read()
    return tarfile.open(fileobj=io.BytesIO(body)).getnames()
