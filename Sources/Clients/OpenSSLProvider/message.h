#pragma once

#include <stddef.h>

/* A strict reader for the few JSON values that the agent's answers have (RFC 8259), over bytes that are not trusted. */
struct json {
    const char *bytes;
    size_t length;
};

/* Whether the text is one JSON value, at most 8 levels deep, and nothing else. */
int json_is_valid(struct json text);
/* Finds a member of an object; both are valid. 0 if it is not an object or has no such member, or two. */
int json_member(struct json object, const char *name, struct json *value);
/* A string's text, with a NUL; `size` is not 0. What is not printable ASCII becomes "?", except line feeds. 0 if it is
   not a string, or if it does not fit: then `text` has its beginning. */
int json_string(struct json value, char *text, size_t size);

/* RFC 4648 section 5, without padding. `text` has room for 4 * ((length + 2) / 3) + 1 bytes; the length is returned. */
size_t base64url_encode(const unsigned char *bytes, size_t length, char *text);
/* 0 if the text is anything but base64url without padding and with zero bits at its end, or does not fit. */
int base64url_decode(const char *text, unsigned char *bytes, size_t size, size_t *length);
