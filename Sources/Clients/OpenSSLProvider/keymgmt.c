/* Key management: the public half is libcrypto's, in the provider's own library context; the private half is a name. */
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "key.h"

static void *load(const void *reference, size_t size) {
    /* The decoder's own variable, cleared so that the decoder does not release the key. */
    struct key **place = (struct key **)(uintptr_t)reference, *key;
    if (size != sizeof key) return NULL;
    key = *place;
    *place = NULL;
    return key;
}

static void release(void *key) { key_release(key); }

/* Claims a private half as well: libssl checks for one before it uses a key. */
static int has(const void *key, int selection) {
    (void)selection;
    return key != NULL;
}

static int export_public(void *data, int selection, OSSL_CALLBACK *callback, void *argument) {
    struct key *key = data;
    OSSL_PARAM *params = NULL;
    if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) return 0;
    if (!EVP_PKEY_todata(key->public_half, EVP_PKEY_PUBLIC_KEY, &params)) return 0;
    int done = callback(params, argument);
    OSSL_PARAM_free(params);
    return done;
}

static int get_params(void *data, OSSL_PARAM params[]) {
    struct key *key = data;
    return EVP_PKEY_get_params(key->public_half, params);
}

#define COMMON_PARAMS                                                                                             \
    OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL), OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),                  \
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL)

#define EC_PUBLIC                                              \
    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0), \
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0)
#define RSA_PUBLIC OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0), OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0)
#define ED25519_PUBLIC OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0)

/* The functions of one key type: its table of parameters and of what is exported. */
#define KEYMGMT(type, name_function, digest, public_params)                                             \
    static const OSSL_PARAM *type##_gettable_params(void *context) {                                    \
        static const OSSL_PARAM table[] = {                                                             \
            COMMON_PARAMS, OSSL_PARAM_utf8_string(digest, NULL, 0), public_params, OSSL_PARAM_END};      \
        (void)context;                                                                                  \
        return table;                                                                                   \
    }                                                                                                   \
    static const OSSL_PARAM *type##_export_types(int selection) {                                       \
        static const OSSL_PARAM table[] = {public_params, OSSL_PARAM_END};                              \
        return selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY ? NULL : table;                               \
    }                                                                                                   \
    static const char *type##_operation_name(int operation) {                                           \
        (void)operation;                                                                                \
        return name_function;                                                                           \
    }                                                                                                   \
    const OSSL_DISPATCH keymgmt_##type[] = {                                                            \
        {OSSL_FUNC_KEYMGMT_LOAD, (void (*)(void))load},                                                 \
        {OSSL_FUNC_KEYMGMT_FREE, (void (*)(void))release},                                              \
        {OSSL_FUNC_KEYMGMT_HAS, (void (*)(void))has},                                                   \
        {OSSL_FUNC_KEYMGMT_EXPORT, (void (*)(void))export_public},                                      \
        {OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (void (*)(void))type##_export_types},                          \
        {OSSL_FUNC_KEYMGMT_GET_PARAMS, (void (*)(void))get_params},                                     \
        {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (void (*)(void))type##_gettable_params},                    \
        {OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (void (*)(void))type##_operation_name},                \
        {0, NULL},                                                                                      \
    };

KEYMGMT(ec, "ECDSA", OSSL_PKEY_PARAM_DEFAULT_DIGEST, EC_PUBLIC)
KEYMGMT(rsa, "RSA", OSSL_PKEY_PARAM_DEFAULT_DIGEST, RSA_PUBLIC)
KEYMGMT(ed25519, "ED25519", OSSL_PKEY_PARAM_MANDATORY_DIGEST, ED25519_PUBLIC)
