/*
 * aws_chunked: the body format of S3's streaming uploads, decoded as it arrives (HTTP's own
 * chunking is already off). Three forms, chosen by x-amz-content-sha256 (enum sigv4_payload):
 *
 *   signed            HEX;chunk-signature=SIG CRLF data CRLF … 0;chunk-signature=SIG CRLF CRLF
 *   signed, trailer   … 0;chunk-signature=SIG CRLF name:value LF|CRLF|LF CRLF
 *                     x-amz-trailer-signature:SIG CRLF CRLF
 *   unsigned, trailer HEX CRLF data CRLF … 0 CRLF [name:value CRLF] CRLF
 *
 * Data go out as slices of what was fed, nothing is copied or kept. A chunk's signature can be
 * checked only at its end: its data have been handed out by then. So THE CALLER COMMITS NOTHING
 * BEFORE aws_chunked_finish SAYS RC_OK. The trailer's value is only parsed here: the caller
 * compares it with the digest it computes anyway (BadDigest). One struct per request, not
 * shared between threads. No allocation but one SHA-256 context.
 */
#ifndef BALER_WIRE_AWS_CHUNKED_H
#define BALER_WIRE_AWS_CHUNKED_H

#include "wire/checksum.h"
#include "wire/sigv4.h"

#define AWS_CHUNKED_LINE_MAX_BYTES 1024

struct aws_chunked_config {
	enum sigv4_payload form;       /* one of the three STREAM forms */
	const struct sigv4_seed *seed; /* of the two signed forms; copied */
	uint64_t decoded_bytes;        /* x-amz-decoded-content-length */
	enum digest_alg trailer;       /* announced by x-amz-trailer; 0: none */
	/* Takes the data; any rc but RC_OK ends the decoding with it. */
	enum rc (*data)(void *arg, struct slice bytes, struct err *err);
	void *arg;
};

struct aws_chunked {
	struct aws_chunked_config config;
	int state;
	enum rc failed; /* once bad, always bad */
	struct sigv4_seed chain;
	struct digest *sha256; /* of the chunk; NULL when unsigned */
	uint64_t chunk_left_bytes;
	uint64_t total_bytes;
	bool is_last_chunk;
	unsigned char expected[SHA256_BYTES];
	bool has_trailer, has_trailer_signature, is_gap_seen, is_fed;
	struct checksum trailer;
	unsigned char trailer_hash[SHA256_BYTES];
	size_t line_bytes;
	char line[AWS_CHUNKED_LINE_MAX_BYTES + 1];
};

/* RC_REFUSED NotImplemented for a form that is no stream. To be released also after failure. */
enum rc aws_chunked_init(
	struct aws_chunked *c, const struct aws_chunked_config *config, struct err *err);
void aws_chunked_release(struct aws_chunked *c);

/* Takes any number of bytes. RC_REFUSED: InvalidRequest (grammar, sizes, bytes after the end,
 * more data than declared), SignatureDoesNotMatch, MalformedTrailerError. Stays failed. */
enum rc aws_chunked_feed(struct aws_chunked *c, struct slice bytes, struct err *err);

/* The body is over. RC_REFUSED IncompleteBody: no end, or fewer bytes than declared. A body of
 * no bytes at all is right when the declared length is 0 (minio-go). */
enum rc aws_chunked_finish(struct aws_chunked *c, struct err *err);

/* The trailer's checksum, once finished; NULL when none was announced or the body had no
 * bytes at all. */
const struct checksum *aws_chunked_trailer(const struct aws_chunked *c);

/* The header x-amz-trailer: *ret_alg, RC_REFUSED InvalidRequest for a name we do not know. */
enum rc aws_chunked_trailer_parse(struct slice value, enum digest_alg *ret_alg, struct err *err);

/* Content-Encoding without its aws-chunked members: "gzip, aws-chunked" gives "gzip". Appends;
 * false when out is full. */
bool aws_chunked_strip_encoding(struct buf *out, struct slice content_encoding);

/* Client side, unsigned with trailer: the line before n bytes of data (CRLF goes after them),
 * and the end of the body. */
bool aws_chunked_write_header(struct buf *out, size_t n);
bool aws_chunked_write_end(struct buf *out, const struct checksum *trailer);
/* Size of the encoded body when data_bytes are sent in chunks of chunk_bytes. */
uint64_t aws_chunked_encoded_bytes(
	uint64_t data_bytes, uint64_t chunk_bytes, enum digest_alg trailer);

#endif
