"""Roles: every S3 action by every role, over HTTP, with keys made by `baler key`; what is denied says nothing of what is there."""
import json
import os
import re
import shutil
import subprocess
import time

import pytest

import rawhttp
from conftest import DEFAULT_BUCKETS, Target, boto3_client
from helpers import body_of, refused
from server import ROOT, Server
from test_presigned import ByHand, fetch

LANDING, DISTRIBUTION, ARCHIVE = DEFAULT_BUCKETS
OTHER = "another-bucket"
ROLES = ["supplier", "consumer", "processor", "admin"]
BINARY = os.environ.get("BALER_BIN", str(ROOT / "build/src/cli/baler"))


def baler(server, *words, access_key=None, secret_key=None):
    environment = dict(os.environ, AWS_ENDPOINT_URL=server.endpoint, AWS_ACCESS_KEY_ID=access_key or server.access_key,
                       AWS_SECRET_ACCESS_KEY=secret_key or server.secret_key)
    return subprocess.run([BINARY, *words], env=environment, capture_output=True, text=True, timeout=30, check=False)


def add_key(server, role, note="a note"):
    answer = baler(server, "key", "add", "--role", role, "--note", note, "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def client_of(server, key):
    return boto3_client(Target(server.endpoint, key["access_key"], key["secret_key"]))


class World:
    """A server with keys, a bucket of no task, and in each bucket: object "k" and an upload under way to "u"."""

    def __init__(self, folder):
        self.server = Server("--event-prefix", "nothing-is-bundled/", data=str(folder / "s"))
        target = Target(self.server.endpoint, self.server.access_key, self.server.secret_key)
        self.root = boto3_client(target)
        self.keys = {role: add_key(self.server, role, f"the {role}") for role in ROLES}
        self.clients = {role: client_of(self.server, key) for role, key in self.keys.items()}
        self.http = {role: rawhttp.Http(target.host, target.port, key["access_key"], key["secret_key"])
                     for role, key in self.keys.items()}
        self.root.create_bucket(Bucket=OTHER)
        self.uploads, self.etags = {}, {}
        for bucket in (*DEFAULT_BUCKETS, OTHER):
            self.root.put_object(Bucket=bucket, Key="k", Body=b"kept")
            self.uploads[bucket] = self.root.create_multipart_upload(Bucket=bucket, Key="u")["UploadId"]
            self.etags[bucket] = self.root.upload_part(
                Bucket=bucket, Key="u", PartNumber=1, UploadId=self.uploads[bucket], Body=b"part")["ETag"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("roles"))
    yield made
    assert made.server.stop() == 0, made.server.log_tail()


def complete(s3, w, bucket):
    upload = w.root.create_multipart_upload(Bucket=bucket, Key="c")["UploadId"]
    etag = w.root.upload_part(Bucket=bucket, Key="c", PartNumber=1, UploadId=upload, Body=b"c")["ETag"]
    s3.complete_multipart_upload(Bucket=bucket, Key="c", UploadId=upload,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})


def abort(s3, w, bucket):
    upload = w.root.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="a", UploadId=upload)


def no_such(*codes):
    def wrap(call):
        def run(s3, w, bucket):
            try:
                call(s3, w, bucket)
            except s3.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in codes:
                    raise
        return run
    return wrap


L, D, A, O = LANDING, DISTRIBUTION, ARCHIVE, OTHER
PUTS = {"supplier": {L}, "processor": {D, A}}
READS = {"consumer": {D}, "processor": {L, D, A}}
DELETES = {"consumer": {D}}
FINDS = {"supplier": {L}, "consumer": {D}, "processor": {L, D, A}}
NOBODY = {}
# action → (who may, where, beside admin; the call)
ACTIONS = {
    "CreateBucket": (NOBODY, no_such("BucketAlreadyOwnedByYou")(lambda s3, w, b: s3.create_bucket(Bucket=b))),
    "HeadBucket": (FINDS, lambda s3, w, b: s3.head_bucket(Bucket=b)),
    "DeleteBucket": (NOBODY, no_such("BucketNotEmpty")(lambda s3, w, b: s3.delete_bucket(Bucket=b))),
    "GetBucketLocation": (FINDS, lambda s3, w, b: s3.get_bucket_location(Bucket=b)),
    "GetBucketVersioning": (NOBODY, lambda s3, w, b: s3.get_bucket_versioning(Bucket=b)),
    "PutBucketVersioning": (NOBODY, lambda s3, w, b: s3.put_bucket_versioning(
        Bucket=b, VersioningConfiguration={"Status": "Enabled"})),
    "ListObjects": (READS, lambda s3, w, b: s3.list_objects(Bucket=b)),
    "ListObjectsV2": (READS, lambda s3, w, b: s3.list_objects_v2(Bucket=b)),
    "ListObjectVersions": (READS, lambda s3, w, b: s3.list_object_versions(Bucket=b)),
    "ListMultipartUploads": ({"processor": {D, A}}, lambda s3, w, b: s3.list_multipart_uploads(Bucket=b)),
    "DeleteObjects": (DELETES, lambda s3, w, b: s3.delete_objects(Bucket=b, Delete={"Objects": [{"Key": "none"}]})),
    "GetBucketAcl": (NOBODY, lambda s3, w, b: s3.get_bucket_acl(Bucket=b)),
    "PutBucketAcl": (NOBODY, lambda s3, w, b: s3.put_bucket_acl(Bucket=b, ACL="private")),
    "GetBucketPolicy": (NOBODY, no_such("NoSuchBucketPolicy")(lambda s3, w, b: s3.get_bucket_policy(Bucket=b))),
    "GetBucketCors": (NOBODY, no_such("NoSuchCORSConfiguration")(lambda s3, w, b: s3.get_bucket_cors(Bucket=b))),
    "GetBucketTagging": (NOBODY, no_such("NoSuchTagSet")(lambda s3, w, b: s3.get_bucket_tagging(Bucket=b))),
    "GetBucketLifecycleConfiguration": (NOBODY, no_such("NoSuchLifecycleConfiguration")(
        lambda s3, w, b: s3.get_bucket_lifecycle_configuration(Bucket=b))),
    "GetBucketEncryption": (NOBODY, no_such("ServerSideEncryptionConfigurationNotFoundError")(
        lambda s3, w, b: s3.get_bucket_encryption(Bucket=b))),
    "GetObjectLockConfiguration": (NOBODY, no_such("ObjectLockConfigurationNotFoundError")(
        lambda s3, w, b: s3.get_object_lock_configuration(Bucket=b))),
    "GetBucketRequestPayment": (NOBODY, lambda s3, w, b: s3.get_bucket_request_payment(Bucket=b)),
    "PutObject": (PUTS, lambda s3, w, b: s3.put_object(Bucket=b, Key="put", Body=b"new")),
    "GetObject": (READS, lambda s3, w, b: body_of(s3.get_object(Bucket=b, Key="k"))),
    "HeadObject": (READS, lambda s3, w, b: s3.head_object(Bucket=b, Key="k")),
    "DeleteObject": (DELETES, lambda s3, w, b: s3.delete_object(Bucket=b, Key="none")),
    "GetObjectAcl": (READS, lambda s3, w, b: s3.get_object_acl(Bucket=b, Key="k")),
    "PutObjectAcl": (NOBODY, lambda s3, w, b: s3.put_object_acl(Bucket=b, Key="k", ACL="private")),
    "GetObjectTagging": (READS, lambda s3, w, b: s3.get_object_tagging(Bucket=b, Key="k")),
    "CopyObject": ({"processor": {D, A}}, lambda s3, w, b: s3.copy_object(Bucket=b, Key="copy", CopySource=f"{b}/k")),
    "CreateMultipartUpload": (PUTS, lambda s3, w, b: s3.create_multipart_upload(Bucket=b, Key="m")),
    "UploadPart": (PUTS, lambda s3, w, b: s3.upload_part(
        Bucket=b, Key="u", PartNumber=2, UploadId=w.uploads[b], Body=b"x")),
    "UploadPartCopy": ({"processor": {D, A}}, lambda s3, w, b: s3.upload_part_copy(
        Bucket=b, Key="u", PartNumber=3, UploadId=w.uploads[b], CopySource=f"{b}/k")),
    "ListParts": (PUTS, lambda s3, w, b: s3.list_parts(Bucket=b, Key="u", UploadId=w.uploads[b])),
    "CompleteMultipartUpload": (PUTS, complete),
    "AbortMultipartUpload": (PUTS, abort),
}


# What is below /-/ and Lambda's: who may.
ADMINS = {"admin"}
OPERATIONS = {
    ("GET", "api/v1/status"): ADMINS, ("GET", "api/v1/where"): ADMINS, ("GET", "api/v1/deadletters"): ADMINS,
    ("POST", "api/v1/deadletters/redrive"): ADMINS, ("GET", "api/v1/deadletters/"): ADMINS, ("DELETE", "api/v1/deadletters/"): ADMINS,
    ("GET", "api/v1/keys"): ADMINS, ("POST", "api/v1/keys"): ADMINS, ("DELETE", "api/v1/keys/"): ADMINS, ("POST", "events"): ADMINS,
    ("GET", "metrics"): ADMINS,
}
FUNCTION = "/2015-03-31/functions/data-aggregator-processor-dev"
LAMBDA = {"Invoke": ("POST", "/invocations", {"processor", "admin"}), "GetFunctionConfiguration": ("GET", "/configuration", {"processor", "admin"})}

SOURCE = ROOT / "src/gateway"
# name, method, scope, subresource, header
ROUTES = re.findall(r'^\t\{"(\w+)", (?:METHOD_)?(\w+), (\w+), (NULL|"[^"]+"), (NULL|"[^"]+"), ', (SOURCE / "s3/route.c").read_text(), re.MULTILINE)


def test_the_tables_have_every_route_of_the_source():
    """A new route needs a decision here before it can be merged."""
    assert {r[0] for r in ROUTES} == set(ACTIONS) - {"ListObjectsV2"} | {"ListBuckets"}
    assert len(ROUTES) == len(re.findall(r", ACTION_\w+, \{", (SOURCE / "s3/route.c").read_text()))
    admin = (SOURCE / "admin/admin.c").read_text()
    rows = re.findall(r'^\t\{"([^"]+)", ADMIN_\w+, ROUTE\((?:METHOD_)?(\w+), ', admin, re.MULTILINE)
    assert {(method, path) for path, method in rows} == set(OPERATIONS) and len(rows) == len(OPERATIONS) == admin.count(", ROUTE(")
    names = re.findall(r'^\t\{"(\w+)", METHOD_', (SOURCE / "lambda/invoke.c").read_text(), re.MULTILINE)
    assert set(names) == set(LAMBDA)


def presigned_request(world, role, route, bucket):
    """The route's own form with nothing right behind it: whoever passes the guard gets S3's "no such" or "malformed"."""
    name, method, scope, subresource, header = (x.strip('"') for x in route)
    more = {subresource: "none" if subresource == "uploadId" else ""} if subresource != "NULL" else {}
    if subresource == "uploadId":
        more["partNumber"] = "1"
    headers = [(header, f"/{bucket}/k")] if header != "NULL" else []
    path = "/" if scope == "SERVICE" else f"/{bucket}" + ("/none" if scope == "OBJECT" else "")
    url = ByHand(world.http[role], method, path, signed=["host", *(h[0] for h in headers)], headers=headers, **more).url()
    return fetch(url, method, b"" if method in ("PUT", "POST") else None, headers)


@pytest.mark.parametrize("role", ROLES)
def test_presigned_urls_may_what_their_key_may(world, role):
    """Every route, in every bucket."""
    for route in ROUTES:
        if route[0] == "ListBuckets":
            assert presigned_request(world, role, route, L).status == 200
            continue
        places = set(world.uploads) if role == "admin" else ACTIONS[route[0]][0].get(role, set())
        for bucket in world.uploads:
            if route[0] == "PutObject" and bucket in places:
                continue  # would put; test_presigned has it
            answer = presigned_request(world, role, route, bucket)
            if bucket in places:
                assert answer.status != 403, (route, bucket, answer)
            else:
                assert answer.status == 403 and answer.code in ("AccessDenied", None), (route, bucket, answer)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_every_operators_route_of_every_role(world, operation, role):
    """By header and by URL. What passes finds nothing to do: no such key, no such letter, an empty body."""
    method, path = operation
    target = f"/-/{path}" + ("BALERNOSUCHTHING" if path.endswith("/") else "")
    http = world.http[role]
    for answer in (http.call(method, target), fetch(ByHand(http, method, target).url(), method, b"" if method == "POST" else None)):
        if role in OPERATIONS[operation]:
            assert answer.status in (200, 400, 404), answer
        else:
            assert answer.status == 403 and json.loads(answer.body)["error"]["code"] == "AccessDenied", answer


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", LAMBDA)
def test_every_lambda_route_of_every_role(world, name, role):
    method, below, who = LAMBDA[name]
    target, http = FUNCTION + below, world.http[role]
    body = b"[]" if method == "POST" else b""
    signed = http.request(method, target, body).sign(service="lambda").send()
    by_url = fetch(ByHand(http, method, target, service="lambda").url(), method, body or None)
    for answer in (signed, by_url):
        if role in who:
            assert answer.status in (200, 400), answer
        else:
            assert answer.status == 403 and answer.headers["x-amzn-ErrorType"].startswith("AccessDeniedException"), (answer, answer.headers)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_of_every_role(world, action, role):
    allowed, call = ACTIONS[action]
    places = set(world.uploads) if role == "admin" else allowed.get(role, set())
    for bucket in world.uploads:
        if bucket in places:
            call(world.clients[role], world, bucket)
            continue
        with pytest.raises(world.root.exceptions.ClientError) as caught:
            call(world.clients[role], world, bucket)
        answer = caught.value.response
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403, (bucket, answer)
        assert answer["Error"]["Code"] in ("AccessDenied", "403"), (bucket, answer)


def test_what_was_denied_has_changed_nothing(world):
    for bucket in world.uploads:
        versions = world.root.list_object_versions(Bucket=bucket, Prefix="k")
        assert len(versions["Versions"]) == 1 and "DeleteMarkers" not in versions
        assert body_of(world.root.get_object(Bucket=bucket, Key="k")) == b"kept"


@pytest.mark.parametrize("role, sees", [("supplier", {L}), ("consumer", {D}), ("processor", {L, D, A}), ("admin", {L, D, A, O})])
def test_list_buckets_shows_only_ones_own(world, role, sees):
    assert {b["Name"] for b in world.clients[role].list_buckets()["Buckets"]} == sees


@pytest.mark.parametrize("role, source, target", [
    ("supplier", L, L), ("supplier", D, L), ("processor", O, A), ("processor", "no-such-bucket", A), ("consumer", D, D), ("processor", D, L)])
def test_a_copy_needs_get_on_its_source_and_put_on_its_target(world, role, source, target):
    """Refused alike where the source is not there at all."""
    s3 = world.clients[role]
    with refused(403, "AccessDenied"):
        s3.copy_object(Bucket=target, Key="copied", CopySource=f"{source}/k")
    with refused(403, "AccessDenied"):
        s3.upload_part_copy(Bucket=target, Key="u", PartNumber=9, UploadId=world.uploads[target], CopySource=f"{source}/k")


def test_a_copy_out_of_landing(world):
    s3 = world.clients["processor"]
    s3.copy_object(Bucket=D, Key="from-landing", CopySource=f"{L}/k")
    s3.upload_part_copy(Bucket=A, Key="u", PartNumber=9, UploadId=world.uploads[A], CopySource=f"{L}/k")
    assert body_of(world.root.get_object(Bucket=D, Key="from-landing")) == b"kept"


def test_a_supplier_cannot_look_through_a_conditional_put(world):
    with refused(403, "AccessDenied"):
        world.clients["supplier"].put_object(Bucket=L, Key="k", Body=b"x", IfMatch='"guess"')


def test_a_supplier_uploads_in_parts_and_a_consumer_takes_out_for_good(world):
    supplier, consumer = world.clients["supplier"], world.clients["consumer"]
    upload = supplier.create_multipart_upload(Bucket=L, Key="parts")["UploadId"]
    parts = [{"PartNumber": n, "ETag": supplier.upload_part(Bucket=L, Key="parts", UploadId=upload, PartNumber=n,
                                                            Body=bytes([n]) * size)["ETag"]} for n, size in ((1, 5 << 20), (2, 1))]
    assert len(supplier.list_parts(Bucket=L, Key="parts", UploadId=upload)["Parts"]) == 2
    supplier.complete_multipart_upload(Bucket=L, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    version = world.root.put_object(Bucket=D, Key="bundle", Body=b"b")["VersionId"]
    assert body_of(consumer.get_object(Bucket=D, Key="bundle")) == b"b"
    consumer.delete_object(Bucket=D, Key="bundle", VersionId=version)
    assert "Versions" not in world.root.list_object_versions(Bucket=D, Prefix="bundle")


@pytest.mark.parametrize("method, body", [("GET", b""), ("HEAD", b""), ("DELETE", b""), ("PUT", b"x")])
@pytest.mark.parametrize("role", ["supplier", "consumer"])
def test_security_17_a_denial_is_the_same_whatever_is_there(world, role, method, body):
    """Bucket and key there, key not there, bucket not there: one answer but for its ids."""
    bucket = ARCHIVE
    seen = set()
    for path in (f"/{bucket}/k", f"/{bucket}/n", "/data-aggregator-nowhere-dev/k", f"/{OTHER}/k"):
        answer = world.http[role].call(method, path, body)
        assert answer.status == 403
        seen.add((answer.code, answer.element("Message"), answer.headers["Content-Type"]))
    assert len(seen) == 1


def test_security_17_unknown_keys_are_answered_alike(world):
    """Made up, and revoked: nothing tells that the second one was good once."""
    key = add_key(world.server, "supplier")
    assert baler(world.server, "key", "revoke", key["access_key"]).returncode == 0
    http = world.http["admin"]
    answers = [http.request("GET", f"/{L}/k").sign(access_key=name, secret_key=secret).send()
               for name, secret in (("BALERMADEUPMADEUPMAD", "x" * 40), (key["access_key"], key["secret_key"]))]
    assert [(a.status, a.code, a.element("Message")) for a in answers] == [(403, "InvalidAccessKeyId", answers[0].element("Message"))] * 2


@pytest.mark.parametrize("role", ["supplier", "consumer", "processor"])
def test_no_role_makes_itself_a_key(world, role):
    answer = world.http[role].call("POST", "/-/api/v1/keys", b'{"role":"admin"}')
    assert answer.status == 403 and json.loads(answer.body)["error"]["code"] == "AccessDenied"


def test_keys_by_the_command_line(world):
    server = world.server
    added = baler(server, "key", "add", "--role", "consumer", "--note", "site 7\u00fc")
    assert added.returncode == 0 and added.stdout.count("export ") == 2
    words = dict(line.split("export ")[1].split("=", 1) for line in added.stdout.splitlines() if line.startswith("export "))
    key = {"access_key": words["AWS_ACCESS_KEY_ID"], "secret_key": words["AWS_SECRET_ACCESS_KEY"]}
    s3 = client_of(server, key)
    s3.list_objects_v2(Bucket=D)  # at once
    listed = baler(server, "key", "list")
    assert "site 7\u00fc" in listed.stdout and key["access_key"] in listed.stdout
    assert all(k["secret_key"] not in listed.stdout for k in (key, *world.keys.values()))
    assert "secret" not in baler(server, "key", "list", "--json").stdout
    denied = baler(server, "key", "list", **key)
    assert denied.returncode == 2 and "may not do this" in denied.stderr
    revoked = baler(server, "key", "revoke", key["access_key"])
    assert revoked.returncode == 0
    with refused(403, "InvalidAccessKeyId"):
        s3.list_objects_v2(Bucket=D)
    again = baler(server, "key", "revoke", key["access_key"])
    assert again.returncode == 0 and again.stdout == revoked.stdout
    assert baler(server, "key", "revoke", server.access_key).returncode == 1  # the root key
    world.root.list_buckets()


@pytest.mark.parametrize("words, says", [
    ((), "what shall be done?"), (("make",), "'make' is none of add, list, revoke"), (("add",), "which role?"), (("add", "--role", "king"), "supplier|consumer"),
    (("revoke",), "give its access key"), (("revoke", "a/../b"), "no access key"), (("list", "x"), "takes no name"),
    (("add", "x", "--role", "admin"), "add takes no name"), (("add", "--role", "none"), "supplier|consumer|processor|admin\n"), (("list", "--note", "n"), "are for add")])
def test_misuse_of_the_command(world, words, says):
    answer = baler(world.server, "key", *words)
    assert answer.returncode == 2 and says in answer.stderr and "secret" not in answer.stdout


def test_help_says_what_a_role_can_be_and_that_one_is_needed():
    text = subprocess.run([BINARY, "help", "key"], capture_output=True, text=True, timeout=30, check=True).stdout
    role = text.partition("  --role ROLE\n")[2].partition("  --note TEXT\n")[0]
    assert "required" in role and "one of supplier|consumer|processor|admin\n" in role and "default" not in role and "none" not in role


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"role":"root"}', b'{"role":"admin","note":7}', b'{"role":1}',
                                  json.dumps({"role": "admin", "note": "n" * 201}).encode(), b'{"role":"admin","note":"a\\nb"}'], ids=str)
def test_bad_requests_make_no_key(world, body):
    before = baler(world.server, "key", "list", "--json").stdout
    answer = world.http["admin"].call("POST", "/-/api/v1/keys", body)
    assert answer.status == 400 and json.loads(answer.body)["error"]["code"] == "InvalidArgument"
    assert baler(world.server, "key", "list", "--json").stdout == before


def test_keys_survive_a_restart_and_so_does_their_end(tmp_path):
    folder, root = str(tmp_path / "s"), ("rootaccess", "rootsecretrootsecret")
    server = Server(data=folder, keys=root)
    kept, ended = add_key(server, "supplier"), add_key(server, "supplier")
    assert baler(server, "key", "revoke", ended["access_key"]).returncode == 0
    server.process.kill()  # kill -9: what was answered is durable
    server.process.wait()
    server = Server(data=folder, keys=root)
    client_of(server, kept).put_object(Bucket=L, Key="k", Body=b"b")
    with refused(403, "InvalidAccessKeyId"):
        client_of(server, ended).put_object(Bucket=L, Key="k", Body=b"b")
    assert server.stop() == 0
    data = os.path.join(folder, "data")
    for name in os.listdir(data):
        path = os.path.join(data, name)
        assert os.stat(path).st_mode & 0o077 == 0, name
        if os.path.isfile(path):
            with open(path, "rb") as file:
                assert kept["secret_key"].encode() not in file.read(), name
    with open(server.log_path, encoding="utf-8") as log:
        assert kept["secret_key"] not in log.read()
    shutil.rmtree(folder)


def test_a_supplier_puts_and_a_consumer_pulls(tmp_path):
    """The whole way with two keys that can do no more than their half of it."""
    server = Server("--batch-window", "500ms", data=str(tmp_path / "s"))
    supplier, consumer = add_key(server, "supplier"), add_key(server, "consumer")
    for number in range(5):
        client_of(server, supplier).put_object(Bucket=L, Key=f"data/{number}", Body=b"%d" % number)
    environment = dict(os.environ, AWS_ENDPOINT_URL=server.endpoint, AWS_ACCESS_KEY_ID=consumer["access_key"],
                       AWS_SECRET_ACCESS_KEY=consumer["secret_key"])
    wanted, found = [b"%d" % n for n in range(5)], []
    deadline = time.monotonic() + 30
    while found != wanted and time.monotonic() < deadline:  # one bundle or several
        time.sleep(0.3)
        pulled = subprocess.run([BINARY, "pull", "--to", str(tmp_path / "out")], env=environment, capture_output=True, text=True,
                                timeout=60, check=False)
        assert pulled.returncode == 0, pulled.stderr
        found = sorted(p.read_bytes() for p in (tmp_path / "out").glob("data/*"))
    assert found == wanted
    assert client_of(server, consumer).list_objects_v2(Bucket=D)["KeyCount"] == 0
    assert server.stop() == 0
