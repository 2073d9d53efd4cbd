#pragma once

#include <openssl/evp.h>

#include "agent.h"
#include "provider.h"

/* KeyName's limit (Sources/Standards/ACME/Names/KeyName.swift). */
#define KEY_NAME_MAXIMUM 64

enum key_kind { KEY_P256, KEY_P384, KEY_RSA, KEY_ED25519 };

/* A key of the agent: its name there and its public half. Never changes. */
struct key {
    struct provider *provider;
    struct agent *agent;
    /* In the provider's own library context. */
    EVP_PKEY *public_half;
    enum key_kind kind;
    atomic_uint references;
    char name[KEY_NAME_MAXIMUM + 1];
};

/* KeyName's rule: [a-z0-9][a-z0-9._-]{0,63} without "..". So a name needs no escapes in JSON. */
int is_key_name(const char *name, size_t length);

/* The key of that name. `socket` may be NULL for the provider's default; `spki` is a SubjectPublicKeyInfo and nothing
   more. Texts need not end with a NUL. NULL if something is wrong, which has been reported. */
struct key *key_new(
    struct provider *provider, const char *name, size_t name_length, const char *socket, size_t socket_length,
    const unsigned char *spki, size_t spki_length);

/* Reads the content of a key file:

       AgentKey ::= SEQUENCE {
         version    INTEGER (1),
         name       UTF8String,
         socket     UTF8String OPTIONAL,
         publicKey  SubjectPublicKeyInfo }
*/
struct key *key_from_der(struct provider *provider, const unsigned char *der, size_t length);

struct key *key_retain(struct key *key);
void key_release(struct key *key);

/* Its type, as libcrypto names it. */
const char *key_type(const struct key *key);
