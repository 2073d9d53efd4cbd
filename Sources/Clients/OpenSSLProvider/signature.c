/* Signatures, only with the whole content in one piece: no function here takes a digest. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <string.h>
#include <strings.h>

#include "key.h"
#include "request.h"

enum digest { DIGEST_NONE, DIGEST_SHA256, DIGEST_SHA384 };

struct signing {
    struct provider *provider;
    struct key *key;
    enum digest digest;
    int pss;
};

static void *new_context(void *provider, const char *properties) {
    (void)properties;
    struct signing *signing = OPENSSL_zalloc(sizeof *signing);
    if (signing != NULL) signing->provider = provider;
    return signing;
}

static void free_context(void *context) {
    struct signing *signing = context;
    if (signing == NULL) return;
    key_release(signing->key);
    OPENSSL_free(signing);
}

static void *duplicate_context(void *context) {
    const struct signing *signing = context;
    struct signing *copy = OPENSSL_memdup(signing, sizeof *signing);
    if (copy != NULL && copy->key != NULL) key_retain(copy->key);
    return copy;
}

static int find_digest(const char *name, enum digest *digest) {
    static const struct {
        const char *name;
        enum digest digest;
    } names[] = {
        {"SHA256", DIGEST_SHA256},  {"SHA2-256", DIGEST_SHA256}, {"SHA-256", DIGEST_SHA256}, {"2.16.840.1.101.3.4.2.1", DIGEST_SHA256},
        {"SHA384", DIGEST_SHA384},  {"SHA2-384", DIGEST_SHA384}, {"SHA-384", DIGEST_SHA384}, {"2.16.840.1.101.3.4.2.2", DIGEST_SHA384},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(name, names[i].name) != 0) continue;
        *digest = names[i].digest;
        return 1;
    }
    return 0;
}

/* Whether a key of that kind ever signs with that digest. */
static int digest_fits(enum key_kind kind, enum digest digest) {
    switch (kind) {
        case KEY_P256: return digest == DIGEST_SHA256;
        case KEY_P384: return digest == DIGEST_SHA384;
        case KEY_RSA: return digest != DIGEST_NONE;
        case KEY_ED25519: return digest == DIGEST_NONE;
    }
    return 0;
}

static int set_ctx_params(void *context, const OSSL_PARAM params[]);

/* Refuses what can never be signed: libssl calls this before it chooses a signature scheme, and then chooses another
   one. */
static int digest_sign_init(void *context, const char *digest_name, void *data, const OSSL_PARAM params[]) {
    struct signing *signing = context;
    struct key *key = data != NULL ? data : signing->key;
    enum digest digest = DIGEST_NONE;
    if (key == NULL) return 0;
    int known = 1;
    if (digest_name != NULL && digest_name[0] != 0) known = find_digest(digest_name, &digest);
    else if (key->kind != KEY_ED25519) digest = key->kind == KEY_P384 ? DIGEST_SHA384 : DIGEST_SHA256;
    if (!known || !digest_fits(key->kind, digest)) {
        FAIL(signing->provider, REASON_DIGEST, "%s, key \"%s\"", digest_name, key->name);
        return 0;
    }
    if (data != NULL) {
        key_retain(key);
        key_release(signing->key);
        signing->key = key;
    }
    signing->digest = digest;
    signing->pss = 0;
    return set_ctx_params(signing, params);
}

/* The scheme's name of RFC 8446 section 4.2.3. */
static const char *scheme_of(const struct signing *signing) {
    switch (signing->key->kind) {
        case KEY_P256: return "ecdsa_secp256r1_sha256";
        case KEY_P384: return "ecdsa_secp384r1_sha384";
        case KEY_ED25519: return "ed25519";
        case KEY_RSA: break;
    }
    if (signing->digest == DIGEST_SHA256) return signing->pss ? "rsa_pss_rsae_sha256" : "rsa_pkcs1_sha256";
    return signing->pss ? "rsa_pss_rsae_sha384" : "rsa_pkcs1_sha384";
}

/* Whether the bytes have the form of the key's signatures: for ECDSA, Ecdsa-Sig-Value of RFC 3279 in DER with both
   numbers in range. */
static int is_signature(const struct key *key, const unsigned char *bytes, size_t length) {
    if (key->kind == KEY_ED25519) return length == 64;
    if (key->kind == KEY_RSA) return length == (size_t)EVP_PKEY_get_size(key->public_half);
    const unsigned char *end = bytes;
    unsigned char *again = NULL;
    int bits = key->kind == KEY_P384 ? 384 : 256;
    ECDSA_SIG *numbers = d2i_ECDSA_SIG(NULL, &end, (long)length);
    if (numbers == NULL) return 0;
    int again_length = i2d_ECDSA_SIG(numbers, &again);
    const BIGNUM *r = ECDSA_SIG_get0_r(numbers), *s = ECDSA_SIG_get0_s(numbers);
    int is_it = again_length > 0 && (size_t)again_length == length && memcmp(again, bytes, length) == 0 && !BN_is_zero(r) &&
        !BN_is_zero(s) && !BN_is_negative(r) && !BN_is_negative(s) && BN_num_bits(r) <= bits && BN_num_bits(s) <= bits;
    OPENSSL_free(again);
    ECDSA_SIG_free(numbers);
    return is_it;
}

static int digest_sign(
    void *context, unsigned char *signature, size_t *length, size_t size, const unsigned char *content, size_t content_length) {
    struct signing *signing = context;
    const struct key *key = signing->key;
    if (key == NULL) return 0;
    int maximum = EVP_PKEY_get_size(key->public_half);
    if (maximum <= 0) return 0;
    if (signature == NULL) {
        *length = (size_t)maximum;
        return 1;
    }
    if (size < (size_t)maximum) {
        FAIL(signing->provider, REASON_BUFFER, "%zu bytes", size);
        return 0;
    }
    if (!request_signature(key, content, content_length, scheme_of(signing), signature, (size_t)maximum, length)) return 0;
    if (is_signature(key, signature, *length)) return 1;
    FAIL(signing->provider, REASON_MALFORMED, "the signature has the wrong form for the key \"%s\"", key->name);
    return 0;
}

/* A parameter that is a number or a text. */
static int is_param(const OSSL_PARAM *param, int number, const char *text) {
    int value;
    if (param->data_type == OSSL_PARAM_UTF8_STRING) return param->data != NULL && strcasecmp(param->data, text) == 0;
    return OSSL_PARAM_get_int(param, &value) && value == number;
}

/* RSA's padding: PKCS #1 v1.5 (TLS 1.2) or PSS with a salt as long as the digest (RFC 8446 section 4.2.3). */
static int set_ctx_params(void *context, const OSSL_PARAM params[]) {
    struct signing *signing = context;
    const OSSL_PARAM *param;
    enum digest digest;
    if (params == NULL) return 1;
    param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
    if (param != NULL) {
        int pss = is_param(param, RSA_PKCS1_PSS_PADDING, OSSL_PKEY_RSA_PAD_MODE_PSS);
        if (!pss && !is_param(param, RSA_PKCS1_PADDING, OSSL_PKEY_RSA_PAD_MODE_PKCSV15)) {
            FAIL(signing->provider, REASON_PADDING, "neither PSS nor PKCS #1 v1.5");
            return 0;
        }
        signing->pss = pss;
    }
    param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
    if (param != NULL && !is_param(param, RSA_PSS_SALTLEN_DIGEST, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) &&
        !is_param(param, signing->digest == DIGEST_SHA384 ? 48 : 32, signing->digest == DIGEST_SHA384 ? "48" : "32")) {
        FAIL(signing->provider, REASON_PADDING, "a salt whose length is not the digest's");
        return 0;
    }
    param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST);
    if (param != NULL &&
        (param->data_type != OSSL_PARAM_UTF8_STRING || !find_digest(param->data, &digest) || digest != signing->digest)) {
        FAIL(signing->provider, REASON_PADDING, "MGF1 with another digest");
        return 0;
    }
    return 1;
}

static const OSSL_PARAM *settable_ctx_params(void *context, void *provider) {
    static const OSSL_PARAM table[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
        OSSL_PARAM_END,
    };
    (void)context, (void)provider;
    return table;
}

const OSSL_DISPATCH signature_functions[] = {
    {OSSL_FUNC_SIGNATURE_NEWCTX, (void (*)(void))new_context},
    {OSSL_FUNC_SIGNATURE_FREECTX, (void (*)(void))free_context},
    {OSSL_FUNC_SIGNATURE_DUPCTX, (void (*)(void))duplicate_context},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (void (*)(void))digest_sign_init},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (void (*)(void))digest_sign},
    {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (void (*)(void))set_ctx_params},
    {OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, (void (*)(void))settable_ctx_params},
    {0, NULL},
};
