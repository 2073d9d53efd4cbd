#pragma once

#include <stddef.h>

#include "key.h"

/* Has the agent sign a handshake's whole content. `scheme` is a SignatureScheme's name of RFC 8446 section 4.2.3. The
   method follows from the content's form. 0 if it does not sign, which has been reported. */
int request_signature(
    const struct key *key, const unsigned char *content, size_t length, const char *scheme, unsigned char *signature, size_t size,
    size_t *signature_length);

/* Asks the agent for a key. NULL if there is none, which has been reported. */
struct key *request_key(
    struct provider *provider, const char *name, size_t name_length, const char *socket, size_t socket_length);
