"""HTTPS: every foreign client with a CA of the test's own, the versions of TLS, and what --tls-cert, --tls-key and --listen refuse."""
import hashlib
import io
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest

import drivers
import rawhttp
import tls
from conftest import DEFAULT_BUCKETS, Target, boto3_client
from helpers import body_of
from server import ROOT, Server

BINARY = os.environ.get("BALER_BIN", str(ROOT / "build/src/cli/baler"))
LANDING = DEFAULT_BUCKETS[0]
MIB = 1 << 20


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return tls.Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def secure(authority, tmp_path_factory):
    cert, key = authority.issue("server")
    server = Server("--tls-cert", str(cert), "--tls-key", str(key), "--batch-window", "500ms", data=str(tmp_path_factory.mktemp("tls") / "s"))
    assert server.endpoint.startswith("https://127.0.0.1:")
    yield Target(server.endpoint, server.access_key, server.secret_key, str(authority.cert))
    assert server.stop() == 0, server.log_tail()


@pytest.fixture(scope="module")
def pool(secure, tmp_path_factory):
    made = drivers.Pool(secure, tmp_path_factory.mktemp("clients"))
    yield made
    made.close()


@pytest.mark.parametrize("name", drivers.NAMES)
def test_every_client_over_https(pool, name, tmp_path):
    """Small, empty, and in parts: in and back, listed and deleted."""
    client = pool.get(name)
    tree, back = tmp_path / "in", tmp_path / "back"
    (tree / "sub folder").mkdir(parents=True)
    back.mkdir()
    contents = {"plain.txt": b"text", "empty.bin": b"", "sub folder/ü+.bin": secrets.token_bytes(100_000), "large.bin": os.urandom(20 * MIB)}
    for path, body in contents.items():
        (tree / path).write_bytes(body)
    prefix = f"tls-{name}/"
    client.put_tree(LANDING, prefix, tree)
    assert sorted(client.keys(LANDING, prefix)) == sorted(prefix + path for path in contents)
    client.get_tree(LANDING, prefix, back)
    assert {p.relative_to(back).as_posix(): p.read_bytes() for p in back.rglob("*") if p.is_file()} == contents
    client.delete(LANDING, prefix + "plain.txt")
    assert prefix + "plain.txt" not in client.keys(LANDING, prefix)


def test_boto3_sends_trailers_over_https(secure):
    """A stream, whose checksum comes behind it: STREAMING-UNSIGNED-PAYLOAD-TRAILER, which botocore uses with TLS only."""
    s3, sent = boto3_client(secure), {}
    s3.meta.events.register("before-send.s3.PutObject", lambda request, **_: sent.update(request.headers.items()))
    body = os.urandom(3 * MIB)
    answer = s3.put_object(Bucket=LANDING, Key="trailer", Body=io.BytesIO(body))
    text = {name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in sent.items()}
    assert text["x-amz-content-sha256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER" and text["x-amz-trailer"].startswith("x-amz-checksum-")
    assert answer["ChecksumCRC32"] and body_of(s3.get_object(Bucket=LANDING, Key="trailer")) == body


def test_curl_over_https(secure, tmp_path):
    (tmp_path / "b").write_bytes(b"by curl")
    def curl(*words):
        return subprocess.run(["curl", "-sS", "--fail", "--noproxy", "*", "--cacert", secure.ca, "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
                               f"{secure.access_key}:{secure.secret_key}", *words, f"{secure.endpoint}/{LANDING}/by-curl"],
                              capture_output=True, timeout=30, check=False)
    digest = hashlib.sha256(b"by curl").hexdigest()
    assert curl("-T", str(tmp_path / "b"), "-H", f"x-amz-content-sha256: {digest}").returncode == 0
    assert curl("-H", "x-amz-content-sha256: " + hashlib.sha256(b"").hexdigest()).stdout == b"by curl"


def test_who_does_not_know_the_authority_is_not_served(secure):
    with pytest.raises(ssl.SSLCertVerificationError), socket.create_connection((secure.host, secure.port), 10) as raw:
        ssl.create_default_context().wrap_socket(raw, server_hostname="127.0.0.1")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version, served", [("TLSv1", False), ("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_versions_of_tls(secure, version, served):
    context = ssl.create_default_context(cafile=secure.ca)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with socket.create_connection((secure.host, secure.port), 10) as raw:
        if served:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
                connection.sendall(b"GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connection.recv(100).startswith(b"HTTP/1.1 200")
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(raw, server_hostname="127.0.0.1")


@pytest.fixture(scope="module")
def with_rsa(authority, tmp_path_factory):
    """A server whose certificate suits every key exchange: with one for ECDSA those of RSA would fail by themselves."""
    cert, key = authority.issue("rsa-ciphers", kind=("rsa:2048",))
    server = Server("--tls-cert", str(cert), "--tls-key", str(key), data=str(tmp_path_factory.mktemp("rsa-ciphers") / "s"))
    yield Target(server.endpoint, server.access_key, server.secret_key, str(authority.cert))
    assert server.stop() == 0, server.log_tail()


def handshake(target, cipher):
    """The cipher that TLS 1.2 settles on when only this one is offered; None: the server refuses."""
    context = ssl.create_default_context(cafile=target.ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with socket.create_connection((target.host, target.port), 10) as raw:
        try:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
                connection.sendall(b"GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connection.recv(100).startswith(b"HTTP/1.1 200")
                return connection.cipher()[0]
        except (ssl.SSLError, ConnectionError):
            return None


@pytest.mark.parametrize("cipher", [
    "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"])
def test_ciphers_that_are_served(with_rsa, cipher):
    assert handshake(with_rsa, cipher) == cipher


@pytest.mark.parametrize("cipher", [
    "AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES256-CCM", "AES128-SHA", "AES256-SHA256", "CAMELLIA256-SHA",
    "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA", "DHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES128-SHA", "AECDH-AES256-SHA",
    "ADH-AES256-GCM-SHA384"])
def test_ciphers_without_forward_secrecy_or_aead_are_refused(with_rsa, cipher):
    """Key exchange by RSA alone, ciphers in CBC mode, and exchanges that nobody signs."""
    assert handshake(with_rsa, cipher) is None


def test_plain_http_to_the_tls_port_gets_nothing(secure):
    with socket.create_connection((secure.host, secure.port), 10) as raw:
        raw.sendall(b"GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" not in raw.recv(1000)


def test_e2e_over_https(secure, tmp_path):
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({
        "description": "over TLS", "landing_bucket": LANDING, "distribution_bucket": DEFAULT_BUCKETS[1], "test_type": "s3_trigger",
        "generator_type": "random", "num_files": 20, "size_mb": 1, "concurrency": 4, "timeout_seconds": 60}))
    environment = dict(os.environ, AWS_ENDPOINT_URL=secure.endpoint, AWS_ACCESS_KEY_ID=secure.access_key,
                       AWS_SECRET_ACCESS_KEY=secure.secret_key, AWS_CA_BUNDLE=secure.ca)
    def run(**more):
        return subprocess.run([BINARY, "e2e", "-c", str(scenario)], env=environment | more, capture_output=True, text=True, timeout=90, check=False)
    passed = run()
    assert passed.returncode == 0, passed.stderr
    other = tls.Authority(tmp_path)
    assert run(AWS_CA_BUNDLE=str(other.cert)).returncode == 2
    listed = subprocess.run([BINARY, "key", "list"], env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert listed.returncode == 0, listed.stderr


def serve(tmp_path, *options):
    return subprocess.run([BINARY, "serve", "--data", str(tmp_path / "data"), *options], capture_output=True, text=True, timeout=20, check=False)


def test_an_rsa_key_serves_too(authority, tmp_path):
    cert, key = authority.issue("rsa", kind=("rsa:2048",))
    server = Server("--tls-cert", str(cert), "--tls-key", str(key), data=str(tmp_path / "s"))
    boto3_client(Target(server.endpoint, server.access_key, server.secret_key, str(authority.cert))).list_buckets()
    assert server.stop() == 0


def test_what_is_no_pair_is_refused_and_named(authority, tmp_path):
    cert, key = authority.issue("good")
    _, other_key = authority.issue("other")
    expired, expired_key = authority.issue("expired", days=-1)
    locked = tmp_path / "locked.key"
    tls.openssl("ec", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked)
    locked.chmod(0o600)
    shared = tmp_path / "shared.key"
    shared.write_bytes(key.read_bytes())
    shared.chmod(0o640)
    text = tmp_path / "text"
    text.write_text("not PEM")
    text.chmod(0o600)
    nowhere = tmp_path / "nowhere"
    for given_cert, given_key, says in (
            (cert, None, "'--tls-key' is not"), (None, key, "'--tls-cert' is not"), (nowhere, key, str(nowhere)), (cert, nowhere, str(nowhere)),
            (text, key, f"'{text}' holds no certificate"), (cert, text, f"'{text}' holds no private key"), (cert, locked, f"'{locked}' holds no"),
            (cert, shared, f"'{shared}' may be read by others"), (cert, other_key, f"'{other_key}' does not belong"),
            (expired, expired_key, "has expired"), (key, cert, f"'{cert}' may be read by others")):
        words = [*(("--tls-cert", str(given_cert)) if given_cert else ()), *(("--tls-key", str(given_key)) if given_key else ())]
        answer = serve(tmp_path, "--listen", "127.0.0.1:0", *words)
        assert answer.returncode == 2 and says in answer.stderr, (words, answer.stderr)
        assert "listening" not in answer.stdout


class Renewable:
    """A server over TLS whose certificate's files change while it runs."""

    def __init__(self, authority, folder):
        self.authority, self.folder = authority, folder
        self.cert, self.key = folder / "live.pem", folder / "live.key"
        self.put("first")
        self.server = Server("--tls-cert", str(self.cert), "--tls-key", str(self.key), data=str(folder / "s"))
        self.target = Target(self.server.endpoint, self.server.access_key, self.server.secret_key, str(authority.cert))
        self.context = ssl.create_default_context(cafile=self.target.ca)

    def put(self, name, **how):
        """The pair of this name, new, becomes the files' content."""
        for source, target in zip(self.authority.issue(name, **how), (self.cert, self.key)):
            shutil.copy(source, target)

    def hang_up(self, event):
        """Sends SIGHUP and waits until the log says what became of it."""
        before = self.logged(event)
        self.server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 15
        while self.logged(event) == before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self.logged(event) == before + 1, self.server.log_tail()

    def logged(self, event):
        with open(self.server.log_path, encoding="utf-8") as log:
            return log.read().count(f'"{event}"')

    def connect(self):
        raw = socket.create_connection((self.target.host, self.target.port), 20)
        return self.context.wrap_socket(raw, server_hostname="127.0.0.1")

    def shown(self):
        """Whose certificate a new connection gets."""
        with self.connect() as connection:
            return connection.getpeercert()["subject"][0][0][1]


@pytest.fixture
def renewable(authority, tmp_path):
    made = Renewable(authority, tmp_path)
    yield made
    assert made.server.stop() == 0, made.server.log_tail()


def test_a_renewed_certificate_is_shown_after_sighup(renewable):
    """An upload under way and a connection at rest go on over the connections they have."""
    http = rawhttp.Http(renewable.target.host, renewable.target.port, renewable.target.access_key, renewable.target.secret_key)
    body = os.urandom(200_000)
    upload = http.request("PUT", f"/{LANDING}/under-way", body).sign()
    with renewable.connect() as sending, renewable.connect() as resting:
        sending.sendall(upload.head() + body[:100_000])
        resting.sendall(http.request("GET", "/").sign().head())
        assert rawhttp.read_answer(resting).status == 200
        renewable.put("second", kind=("rsa:2048",))  # of another kind, even
        assert renewable.shown() == "first"
        renewable.hang_up("tls-renewed")
        assert renewable.shown() == "second"
        sending.sendall(body[100_000:])
        assert rawhttp.read_answer(sending).status == 200
        resting.sendall(http.request("GET", "/").sign().head())
        assert rawhttp.read_answer(resting).status == 200
    assert body_of(boto3_client(renewable.target).get_object(Bucket=LANDING, Key="under-way")) == body


def test_a_bad_pair_keeps_the_old_one_after_sighup(renewable):
    """Each is named in the log, and the next good one counts."""
    good = renewable.cert.read_bytes(), renewable.key.read_bytes()
    def spoiled(change):
        change()
        renewable.hang_up("tls-kept")
        assert renewable.shown() == "first"
        for file in (renewable.cert, renewable.key):
            if not file.is_file():
                file.unlink(missing_ok=True)
        renewable.cert.write_bytes(good[0])
        renewable.key.write_bytes(good[1])
        renewable.key.chmod(0o600)
        return renewable.server.log_tail()
    assert "does not belong" in spoiled(lambda: shutil.copy(renewable.authority.issue("other")[1], renewable.key))
    assert "holds no certificate" in spoiled(lambda: renewable.cert.write_bytes(good[0][:100]))  # half written
    assert "has expired" in spoiled(lambda: renewable.put("old", days=-1))
    assert "may be read by others" in spoiled(lambda: renewable.key.chmod(0o644))
    assert str(renewable.cert) in spoiled(renewable.cert.unlink)
    for file in (renewable.cert, renewable.key):  # a pipe, for which nobody may wait
        assert "not a plain file" in spoiled(lambda: (file.unlink(), os.mkfifo(file, 0o600)))
    renewable.put("third")
    renewable.hang_up("tls-renewed")
    assert renewable.shown() == "third"


def test_sighup_without_tls_is_no_end_of_a_daemon(tmp_path, monkeypatch):
    spawn = subprocess.Popen  # without the terminal that the tests may have
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **more: spawn(*words, start_new_session=True, **more))
    server = Server(data=str(tmp_path / "s"))
    for _ in range(3):
        server.process.send_signal(signal.SIGHUP)
    boto3_client(Target(server.endpoint, server.access_key, server.secret_key)).list_buckets()
    assert server.stop() == 0
    assert "serves without TLS" in server.log_tail()


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_other_addresses_need_tls_or_a_flag(tmp_path, host):
    answer = serve(tmp_path, "--listen", f"{host}:0")
    assert answer.returncode == 2 and "listening" not in answer.stdout
    assert "--tls-cert" in answer.stderr and "--allow-plain-http" in answer.stderr  # both ways out


def test_loopback_needs_neither(tmp_path):
    environment = dict(os.environ, BALER_ROOT_ACCESS_KEY="rootkey", BALER_ROOT_SECRET_KEY="rootsecret")
    for host in ("127.0.0.1", "127.0.0.2", "localhost"):
        with subprocess.Popen([BINARY, "serve", "--data", str(tmp_path / host), "--listen", f"{host}:0"], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout.readline().startswith(f"listening on http://{host}:")
            process.terminate()
            assert process.wait(15) == 0


def test_the_location_of_a_completed_upload_is_https(secure):
    s3 = boto3_client(secure)
    upload = s3.create_multipart_upload(Bucket=LANDING, Key="location/a b")["UploadId"]
    part = s3.upload_part(Bucket=LANDING, Key="location/a b", UploadId=upload, PartNumber=1, Body=b"x")
    done = s3.complete_multipart_upload(Bucket=LANDING, Key="location/a b", UploadId=upload,
                                        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert done["Location"] == f"{secure.endpoint}/{LANDING}/location/a%20b"
