"""Listings: order, pages, prefixes, delimiters, both generations and versions."""
import pytest

import conftest
from helpers import put_many, refused

# Byte order, not code-point-in-UTF-16 order: U+FF5E sorts before U+1F389.
KEYS = ["a", "a b", "a+b", "a/1", "a/2", "a/b/3", "a//4", "b%20c", "b&c", "b/1", "c\u00e9", "photos/2024/jan.jpg",
        "photos/2024/feb.jpg", "photos/2025/jan.jpg", "z\uff5e", "z\U0001f389"]
SORTED = sorted(KEYS, key=str.encode)


@pytest.fixture(scope="module")
def listed(s3):
    name = conftest.new_bucket(s3)
    put_many(s3, name, KEYS, b"body")
    return name


@pytest.fixture(scope="module")
def thousands(s3):
    """2,345 keys."""
    name = conftest.new_bucket(s3)
    put_many(s3, name, [f"n/{i:05d}" for i in range(2345)])
    return name


def keys_of(answer):
    return [entry["Key"] for entry in answer.get("Contents", [])]


def prefixes_of(answer):
    return [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])]


@pytest.mark.parametrize("call", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("encoding", [{}, {"EncodingType": "url"}], ids=["plain", "url"])
def test_everything_in_byte_order(s3, listed, call, encoding):
    answer = getattr(s3, call)(Bucket=listed, **encoding)
    found = keys_of(answer)
    if encoding:  # boto3 decodes by itself only when it was not asked for
        assert answer["EncodingType"] == "url"
        assert "a%20b" in found and "a%2Bb" in found and "a/b/3" in found and "b%2520c" in found
    else:
        assert found == SORTED
    entry = answer["Contents"][0]
    assert entry["Size"] == 4 and entry["StorageClass"] == "STANDARD" and entry["ETag"].startswith('"')


@pytest.mark.parametrize("call", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("prefix, delimiter, keys, prefixes", [
    ("", "/", ["a", "a b", "a+b", "b%20c", "b&c", "c\u00e9", "z\uff5e", "z\U0001f389"], ["a/", "b/", "photos/"]),
    ("a/", "/", ["a/1", "a/2"], ["a//", "a/b/"]),
    ("a", "", ["a", "a b", "a+b", "a//4", "a/1", "a/2", "a/b/3"], []),
    ("photos/", "/", [], ["photos/2024/", "photos/2025/"]),
    ("photos/2024", "/", [], ["photos/2024/"]),
    ("photos/", "jan", ["photos/2024/feb.jpg"], ["photos/2024/jan", "photos/2025/jan"]),
    ("b", "%2", ["b&c", "b/1"], ["b%2"]),
    ("none/", "/", [], []),
])
def test_prefix_and_delimiter(s3, listed, call, prefix, delimiter, keys, prefixes):
    answer = getattr(s3, call)(Bucket=listed, Prefix=prefix, Delimiter=delimiter)
    assert (keys_of(answer), prefixes_of(answer)) == (keys, prefixes)
    assert not answer["IsTruncated"] and answer["Prefix"] == prefix
    if call == "list_objects_v2":
        assert answer["KeyCount"] == len(keys) + len(prefixes)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 17])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages_of_any_size_lose_and_repeat_nothing(s3, listed, size, delimiter):
    whole = s3.list_objects_v2(Bucket=listed, Delimiter=delimiter)
    expected = sorted(keys_of(whole) + prefixes_of(whole), key=str.encode)
    for call in ("list_objects_v2", "list_objects"):
        pages = list(s3.get_paginator(call).paginate(Bucket=listed, Delimiter=delimiter, PaginationConfig={"PageSize": size}))
        assert [entry for page in pages for entry in sorted(keys_of(page) + prefixes_of(page), key=str.encode)] == expected
        assert all(len(keys_of(page)) + len(prefixes_of(page)) == size for page in pages[:-1])


def test_more_than_a_thousand(s3, thousands):
    first = s3.list_objects_v2(Bucket=thousands, MaxKeys=5000)
    assert len(first["Contents"]) == first["KeyCount"] == 1000 and first["IsTruncated"] and first["NextContinuationToken"]
    found = [key for page in s3.get_paginator("list_objects_v2").paginate(Bucket=thousands) for key in keys_of(page)]
    assert found == [f"n/{i:05d}" for i in range(2345)]
    by_marker = [key for page in s3.get_paginator("list_objects").paginate(Bucket=thousands) for key in keys_of(page)]
    assert by_marker == found
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=thousands)
    assert [v["Key"] for page in pages for v in page["Versions"]] == found


def test_a_thousand_keys_behind_one_prefix_are_one_entry(s3, thousands):
    answer = s3.list_objects_v2(Bucket=thousands, Delimiter="/", MaxKeys=1)
    assert prefixes_of(answer) == ["n/"] and not answer["IsTruncated"]


def test_start_after_and_marker(s3, thousands):
    assert keys_of(s3.list_objects_v2(Bucket=thousands, StartAfter="n/02342")) == ["n/02343", "n/02344"]
    assert keys_of(s3.list_objects(Bucket=thousands, Marker="n/02342")) == ["n/02343", "n/02344"]
    assert keys_of(s3.list_objects_v2(Bucket=thousands, StartAfter="n/00010x", MaxKeys=1)) == ["n/00011"]
    assert keys_of(s3.list_objects_v2(Bucket=thousands, StartAfter="zzz")) == []
    page = s3.list_objects_v2(Bucket=thousands, StartAfter="n/00100", MaxKeys=2)
    page = s3.list_objects_v2(Bucket=thousands, StartAfter="n/00100", MaxKeys=2, ContinuationToken=page["NextContinuationToken"])
    assert keys_of(page) == ["n/00103", "n/00104"], "the token wins over start-after"


def test_max_keys_zero(s3, listed):
    answer = s3.list_objects_v2(Bucket=listed, MaxKeys=0)
    assert keys_of(answer) == [] and answer["KeyCount"] == 0 and not answer["IsTruncated"]


def test_fetch_owner(s3, listed):
    assert "Owner" not in s3.list_objects_v2(Bucket=listed)["Contents"][0]
    assert s3.list_objects_v2(Bucket=listed, FetchOwner=True)["Contents"][0]["Owner"]["ID"]
    assert s3.list_objects(Bucket=listed)["Contents"][0]["Owner"]["ID"]


@pytest.mark.parametrize("query", ["max-keys=-1", "max-keys=x", "max-keys=1.5", "max-keys=1000000000000", "encoding-type=rot13"])
@pytest.mark.parametrize("generation", ["", "list-type=2&", "versions=&"], ids=["v1", "v2", "versions"])
def test_bad_parameters(http, listed, query, generation):
    answer = http.call("GET", f"/{listed}?{generation}{query}")
    assert (answer.status, answer.code) == (400, "InvalidArgument")


def test_forged_continuation_token(http, listed):
    answer = http.call("GET", f"/{listed}?list-type=2&continuation-token=%00forged%FF")
    assert (answer.status, answer.code) == (400, "InvalidArgument")


def test_listing_v2_names_what_was_asked(http, listed):
    answer = http.call("GET", f"/{listed}/?list-type=2&prefix=a&start-after=a&max-keys=2&x-id=ListObjectsV2")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/xml"
    assert [answer.element(n) for n in ("Name", "Prefix", "MaxKeys", "StartAfter", "KeyCount", "IsTruncated")] == \
        [listed, "a", "2", "a", "2", "true"]
    assert answer.element("EncodingType") is None and answer.element("Delimiter") is None


def test_control_characters_still_give_legal_xml(s3, http, bucket):
    s3.put_object(Bucket=bucket, Key="bell\x07esc\x1b", Body=b"b")
    assert keys_of(s3.list_objects_v2(Bucket=bucket)) == ["bell\x07esc\x1b"]
    plain = http.call("GET", f"/{bucket}?list-type=2")
    assert plain.status == 200 and plain.element("Key").startswith("bell")
