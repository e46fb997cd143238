/*
 * text: which characters may be shown to people, and the one UTF-8 decoder of base. Pure functions.
 *
 * Text from elsewhere (a key, a server's answer, a bundle) can hold characters that a terminal
 * obeys instead of showing them, or that make a line read differently from its bytes. Such a
 * character is *hidden* here: the controls C0, DEL and C1 (ECMA-48), the bidirectional controls
 * and marks (Unicode Standard Annex 9), and the line and paragraph separators. A byte that
 * belongs to no UTF-8 sequence is hidden as well, because 8-bit terminals take 0x80 to 0x9f as
 * C1.
 */
#ifndef BALER_BASE_TEXT_H
#define BALER_BASE_TEXT_H

#include "base/buf.h"

/* The bytes of the UTF-8 sequence that s begins with (RFC 3629), and its code point; 0 when
 * there is none. s is not empty. */
size_t text_sequence(struct slice s, uint32_t *ret_code_point);

/* Every hidden code point is below U+10000, so that JSON can write it as one \uXXXX. */
bool text_is_hidden(uint32_t code_point);

/* For people's eyes: as much of s as fits, whole characters only, terminated; each byte of a
 * hidden character as '?'. max > 0. */
void text_printable(struct slice s, char *out, size_t max);

#endif
