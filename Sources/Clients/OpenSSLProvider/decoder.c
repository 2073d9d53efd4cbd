/* Reads key files: PEM with a label of its own, then DER. libcrypto offers every file to every decoder. */
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <string.h>

#include "key.h"

#define PEM_LABEL "ACME AGENT KEY"
/* An RSA-4096 key with the longest name and socket has less than 1,000 bytes. */
#define DER_MAXIMUM 4096

static void *new_context(void *provider) { return provider; }
static void free_context(void *context) { (void)context; }

/* PEM to DER. A file of another kind is not an error: returns 1 without calling `callback`. */
static int decode_pem(
    void *context, OSSL_CORE_BIO *in, int selection, OSSL_CALLBACK *callback, void *argument, OSSL_PASSPHRASE_CALLBACK *passphrase,
    void *passphrase_argument) {
    struct provider *provider = context;
    char *label = NULL, *header = NULL;
    unsigned char *der = NULL;
    long length = 0;
    int result = 1;
    (void)selection, (void)passphrase, (void)passphrase_argument;
    BIO *file = BIO_new_from_core_bio(provider->library, in);
    if (file == NULL) return 0;
    ERR_set_mark();
    int found = PEM_read_bio(file, &label, &header, &der, &length);
    ERR_pop_to_mark();
    if (found && strcmp(label, PEM_LABEL) == 0) {
        struct key *key = length > 0 && length <= DER_MAXIMUM ? key_from_der(provider, der, (size_t)length) : NULL;
        if (key == NULL) {
            if (length > DER_MAXIMUM) FAIL(provider, REASON_KEY_FILE, "it is too long");
            result = 0;
        } else {
            OSSL_PARAM params[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, (char *)(uintptr_t)key_type(key), 0),
                OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_STRUCTURE, (char[]){"acme-agent"}, 0),
                OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_DATA, der, (size_t)length),
                OSSL_PARAM_construct_end(),
            };
            result = callback(params, argument);
            key_release(key);
        }
    }
    OPENSSL_free(label);
    OPENSSL_free(header);
    /* It may be another private key. */
    OPENSSL_clear_free(der, (size_t)length);
    BIO_free(file);
    return result;
}

/* DER to a key. libcrypto offers all DER to this function, other keys' as well, and stops the search if it fails.
   decode_pem has already reported what is wrong with a key file. */
static int decode_der(
    void *context, OSSL_CORE_BIO *in, int selection, OSSL_CALLBACK *callback, void *argument, OSSL_PASSPHRASE_CALLBACK *passphrase,
    void *passphrase_argument) {
    struct provider *provider = context;
    unsigned char der[DER_MAXIMUM];
    size_t length = 0, count = 0;
    (void)selection, (void)passphrase, (void)passphrase_argument;
    BIO *file = BIO_new_from_core_bio(provider->library, in);
    if (file == NULL) return 0;
    while (length < sizeof der && BIO_read_ex(file, der + length, sizeof der - length, &count) && count > 0) length += count;
    BIO_free(file);
    ERR_set_mark();
    struct key *key = key_from_der(provider, der, length);
    ERR_pop_to_mark();
    /* It may be another private key, which must not stay in the stack. */
    OPENSSL_cleanse(der, length);
    if (key == NULL) return 1;
    int type = OSSL_OBJECT_PKEY;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, (char *)(uintptr_t)key_type(key), 0),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &key, sizeof key),
        OSSL_PARAM_construct_end(),
    };
    int result = callback(params, argument);
    /* `key` is NULL if it was taken. */
    key_release(key);
    return result;
}

const OSSL_DISPATCH decoder_pem[] = {
    {OSSL_FUNC_DECODER_NEWCTX, (void (*)(void))new_context},
    {OSSL_FUNC_DECODER_FREECTX, (void (*)(void))free_context},
    {OSSL_FUNC_DECODER_DECODE, (void (*)(void))decode_pem},
    {0, NULL},
};
const OSSL_DISPATCH decoder_der[] = {
    {OSSL_FUNC_DECODER_NEWCTX, (void (*)(void))new_context},
    {OSSL_FUNC_DECODER_FREECTX, (void (*)(void))free_context},
    {OSSL_FUNC_DECODER_DECODE, (void (*)(void))decode_der},
    {0, NULL},
};
