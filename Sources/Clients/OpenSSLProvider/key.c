#include "key.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/x509.h>
#include <string.h>

#define TAG_INTEGER 0x02
#define TAG_UTF8_STRING 0x0c
#define TAG_SEQUENCE 0x30

struct slice {
    const unsigned char *bytes;
    size_t length;
};

/* Takes one DER element with that tag (X.690 10.1: the shortest form of the length) off the front of `rest`. */
static int take(struct slice *rest, unsigned char tag, struct slice *content) {
    const unsigned char *bytes = rest->bytes;
    size_t header = 2, length;
    if (rest->length < 2 || bytes[0] != tag) return 0;
    length = bytes[1];
    if (length == 0x81) {
        if (rest->length < 3 || bytes[2] < 0x80) return 0;
        length = bytes[2];
        header = 3;
    } else if (length == 0x82) {
        if (rest->length < 4 || bytes[2] == 0) return 0;
        length = ((size_t)bytes[2] << 8) | bytes[3];
        header = 4;
    } else if (length >= 0x80) {
        return 0;
    }
    if (length > rest->length - header) return 0;
    content->bytes = bytes + header;
    content->length = length;
    rest->bytes += header + length;
    rest->length -= header + length;
    return 1;
}

struct key *key_from_der(struct provider *provider, const unsigned char *der, size_t length) {
    struct slice rest = {der, length}, members, version, name, socket = {NULL, 0}, spki, ignored;
    if (!take(&rest, TAG_SEQUENCE, &members) || rest.length != 0 || !take(&members, TAG_INTEGER, &version)) {
        FAIL(provider, REASON_KEY_FILE, "it is not DER");
        return NULL;
    }
    if (version.length != 1 || version.bytes[0] != 1) {
        FAIL(provider, REASON_KEY_FILE, "its version is not 1: update the provider");
        return NULL;
    }
    if (!take(&members, TAG_UTF8_STRING, &name)) {
        FAIL(provider, REASON_KEY_FILE, "it has no key name");
        return NULL;
    }
    int has_socket = take(&members, TAG_UTF8_STRING, &socket);
    spki = members;
    if (!take(&members, TAG_SEQUENCE, &ignored) || members.length != 0) {
        FAIL(provider, REASON_KEY_FILE, "it has no public key");
        return NULL;
    }
    return key_new(
        provider, (const char *)name.bytes, name.length, has_socket ? (const char *)socket.bytes : NULL, socket.length, spki.bytes,
        spki.length);
}

int is_key_name(const char *name, size_t length) {
    if (length < 1 || length > KEY_NAME_MAXIMUM) return 0;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        int alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        int mark = c == '.' || c == '-' || c == '_';
        if (!alphanumeric && (i == 0 || !mark)) return 0;
        if (i > 0 && c == '.' && name[i - 1] == '.') return 0;
    }
    return 1;
}

static int find_kind(EVP_PKEY *public_half, enum key_kind *kind) {
    char group[32] = "";
    if (EVP_PKEY_is_a(public_half, "ED25519")) {
        *kind = KEY_ED25519;
        return 1;
    }
    if (EVP_PKEY_is_a(public_half, "RSA")) {
        int bits = EVP_PKEY_get_bits(public_half);
        *kind = KEY_RSA;
        return bits >= 2048 && bits <= 4096;
    }
    if (!EVP_PKEY_is_a(public_half, "EC") || !EVP_PKEY_get_group_name(public_half, group, sizeof group, NULL)) return 0;
    *kind = strcmp(group, SN_secp384r1) == 0 ? KEY_P384 : KEY_P256;
    return *kind == KEY_P384 || strcmp(group, SN_X9_62_prime256v1) == 0;
}

struct key *key_new(
    struct provider *provider, const char *name, size_t name_length, const char *socket, size_t socket_length,
    const unsigned char *spki, size_t spki_length) {
    if (!is_key_name(name, name_length)) {
        FAIL(provider, REASON_KEY_FILE, "it has no valid key name");
        return NULL;
    }
    struct key *key = OPENSSL_zalloc(sizeof *key);
    if (key == NULL) return NULL;
    key->provider = provider;
    atomic_init(&key->references, 1);
    memcpy(key->name, name, name_length);
    if (socket == NULL) {
        socket = provider->socket;
        socket_length = strlen(socket);
    }
    key->agent = agent_at(provider, socket, socket_length);
    if (key->agent == NULL) {
        key_release(key);
        return NULL;
    }
    const unsigned char *end = spki;
    if (spki_length <= LONG_MAX) key->public_half = d2i_PUBKEY_ex(NULL, &end, (long)spki_length, provider->library, NULL);
    if (key->public_half == NULL || end != spki + spki_length) {
        FAIL(provider, REASON_KEY_FILE, "the public half of the key \"%s\" cannot be read", key->name);
        key_release(key);
        return NULL;
    }
    if (!find_kind(key->public_half, &key->kind)) {
        FAIL(provider, REASON_KEY_KIND, "the key \"%s\"", key->name);
        key_release(key);
        return NULL;
    }
    return key;
}

struct key *key_retain(struct key *key) {
    atomic_fetch_add_explicit(&key->references, 1, memory_order_relaxed);
    return key;
}

void key_release(struct key *key) {
    if (key == NULL || atomic_fetch_sub_explicit(&key->references, 1, memory_order_acq_rel) != 1) return;
    EVP_PKEY_free(key->public_half);
    OPENSSL_free(key);
}

const char *key_type(const struct key *key) {
    switch (key->kind) {
        case KEY_RSA: return "RSA";
        case KEY_ED25519: return "ED25519";
        default: return "EC";
    }
}
