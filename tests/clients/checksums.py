"""The five checksum algorithms of S3, as x-amz-checksum-* writes them."""
import base64
import hashlib
import zlib

from awscrt import checksums as crt

_COMPUTE = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: crt.crc32c(data).to_bytes(4, "big"),
    "crc64nvme": lambda data: crt.crc64nvme(data).to_bytes(8, "big"),
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}
NAMES = list(_COMPUTE)


def value(name, data):
    return base64.b64encode(_COMPUTE[name](data)).decode()


def header(name):
    return "x-amz-checksum-" + name
