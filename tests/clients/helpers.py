"""Small things several test files need."""
import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

# Keys that break servers which decode twice, normalise paths, or treat keys as file names.
ODD_KEYS = [
    "with space", "plus+plus", "percent%", "percent%20encoded", "slash%2Fencoded", "double%252Fencoded", "a/../b", "../up",
    "a/./b", "./here", "a//b", "/leading", "//two", "trailing/", "/", ".", "..", "a/..", "emoji-🎉/ünï", "quote'\"quote",
    "<xml>&amp;", "amp&eq=at@colon:", "semi;comma,", "hash#q?query", "back\\slash", "tilde~star*paren()!$",
    "data/2024=01/x+y z", "tab\tnew\nline", "combining-e\u0301", "delete\x7f", "?versionId=1", "uploads", "x-id=PutObject",
]
KEY_OF_1024_BYTES = "k/" + "ü🎉" * 170 + "é"
assert len(KEY_OF_1024_BYTES.encode()) == 1024


@contextlib.contextmanager
def refused(status, code):
    """The call inside is answered with this status and S3 error code (HEAD has no body: its code is the status)."""
    with pytest.raises(ClientError) as caught:
        yield caught
    answer = caught.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)


def body_of(answer):
    return answer["Body"].read()


def put_many(s3, bucket, keys, body=b"x"):
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=body), keys))
