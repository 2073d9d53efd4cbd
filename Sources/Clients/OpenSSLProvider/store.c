/* Loads a key by its name, for programs that take a URI:

       acme-agent:NAME
       acme-agent:NAME?socket=PATH

   The public half comes from the agent, so the user needs the operation "list-keys" as well. */
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>
#include <string.h>
#include <strings.h>

#include "key.h"
#include "request.h"

#define SCHEME "acme-agent:"
#define SOCKET_QUERY "socket="

struct loader {
    struct provider *provider;
    struct key *key;
    int done;
};

static void *open_uri(void *context, const char *uri) {
    struct provider *provider = context;
    const char *socket = NULL;
    if (strncasecmp(uri, SCHEME, strlen(SCHEME)) != 0) return NULL;
    const char *name = uri + strlen(SCHEME);
    size_t length = strcspn(name, "?");
    if (name[length] == '?') {
        socket = name + length + 1;
        if (strncmp(socket, SOCKET_QUERY, strlen(SOCKET_QUERY)) != 0) {
            FAIL(provider, REASON_URI, "the only query is socket=PATH");
            return NULL;
        }
        socket += strlen(SOCKET_QUERY);
    }
    struct loader *loader = OPENSSL_zalloc(sizeof *loader);
    if (loader == NULL) return NULL;
    loader->provider = provider;
    loader->key = request_key(provider, name, length, socket, socket == NULL ? 0 : strlen(socket));
    if (loader->key == NULL) {
        OPENSSL_free(loader);
        return NULL;
    }
    return loader;
}

static int load(void *context, OSSL_CALLBACK *callback, void *argument, OSSL_PASSPHRASE_CALLBACK *passphrase, void *passphrase_argument) {
    struct loader *loader = context;
    int type = OSSL_OBJECT_PKEY;
    (void)passphrase, (void)passphrase_argument;
    if (loader->done) return 0;
    loader->done = 1;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, (char *)(uintptr_t)key_type(loader->key), 0),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &loader->key, sizeof loader->key),
        OSSL_PARAM_construct_end(),
    };
    return callback(params, argument);
}

static int is_done(void *context) { return ((struct loader *)context)->done; }

static int close_loader(void *context) {
    struct loader *loader = context;
    key_release(loader->key);
    OPENSSL_free(loader);
    return 1;
}

const OSSL_DISPATCH store_functions[] = {
    {OSSL_FUNC_STORE_OPEN, (void (*)(void))open_uri},
    {OSSL_FUNC_STORE_LOAD, (void (*)(void))load},
    {OSSL_FUNC_STORE_EOF, (void (*)(void))is_done},
    {OSSL_FUNC_STORE_CLOSE, (void (*)(void))close_loader},
    {0, NULL},
};
