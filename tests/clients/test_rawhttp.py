"""The hand-written signer against AWS's published examples: a referee must be right itself."""
from rawhttp import STREAM_SIGNED, Signature, aws_chunked_signed

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SCOPE = "20130524/us-east-1/s3/aws4_request"


def test_chunk_signatures_of_the_s3_api_reference():
    """ "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks"."""
    headers = [("Host", "s3.amazonaws.com"), ("x-amz-date", "20130524T000000Z"), ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
               ("x-amz-content-sha256", STREAM_SIGNED), ("Content-Encoding", "aws-chunked"),
               ("x-amz-decoded-content-length", "66560"), ("Content-Length", "66824")]
    signed = sorted(name.lower() for name, _ in headers)
    signature = Signature(SECRET, "PUT", "/examplebucket/chunkObject.txt", headers, signed, STREAM_SIGNED, "20130524T000000Z", SCOPE)
    assert signature.value == "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    body = aws_chunked_signed(signature, b"a" * 66560, 65536)
    assert len(body) == 66824
    starts = [body.index(b"chunk-signature=", at) + 16 for at in (0, 1000, 66000)]
    assert [body[at:at + 6] for at in starts] == [b"ad80c7", b"005562", b"b6c6ea"]


def test_get_object_of_the_s3_api_reference():
    headers = [("Host", "examplebucket.s3.amazonaws.com"), ("Range", "bytes=0-9"), ("x-amz-date", "20130524T000000Z"),
               ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    signature = Signature(SECRET, "GET", "/test.txt", headers, sorted(n.lower() for n, _ in headers), headers[3][1], "20130524T000000Z", SCOPE)
    assert signature.value == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
