/* An OpenSSL 3 provider for the private keys of acme-agent: it asks the agent to sign TLS handshakes. */
#include "provider.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "agent.h"

static const OSSL_ITEM reason_strings[] = {
    {REASON_SOCKET_MISSING, "the socket of acme-agentd does not exist: is it running?"},
    {REASON_SOCKET_REFUSED, "nothing listens on the socket of acme-agentd: its log says why it stopped"},
    {REASON_SOCKET_DENIED,
     "this process may not open the socket of acme-agentd: add its user to the socket's group, or run the server in that group"},
    {REASON_SOCKET_OWNER, "the socket of acme-agentd is held by an untrusted user"},
    {REASON_SOCKET_PATH, "invalid socket path"},
    {REASON_SOCKET_FAILED, "the socket of acme-agentd cannot be reached"},
    {REASON_DEADLINE, "acme-agentd did not answer in time"},
    {REASON_BREAKER, "acme-agentd did not answer a moment ago and is not asked again yet"},
    {REASON_CLOSED, "acme-agentd closed the connection: is this user over its limit of connections?"},
    {REASON_MALFORMED, "acme-agentd sent a malformed answer"},
    {REASON_NOT_GRANTED, "the agent's policy does not let this user sign this"},
    {REASON_NO_SUCH_KEY, "the agent has no such key that this user may use: check the key's name and the grants"},
    {REASON_KEY_RETIRED, "the key is retired: reload the server with the new certificate and key"},
    {REASON_KEY_UNUSABLE, "the key is off: `acme-agent status` says why"},
    {REASON_REQUEST_INVALID, "the agent does not sign this: it signs only the TLS handshakes that it knows"},
    {REASON_TOKEN_UNAVAILABLE, "the key's token cannot be used now: `acme-agent status` says why"},
    {REASON_SIGNING_FAILED, "the token failed to sign: the log of acme-agentd says why"},
    {REASON_AUDIT_UNAVAILABLE, "the agent's audit trail cannot be written, so nothing is signed"},
    {REASON_OVERLOADED, "the agent has too much work from this user, or its grant's rate is used up"},
    {REASON_AGENT_OLD, "acme-agentd is older than this provider and lacks the method: update it"},
    {REASON_DIGEST, "this key never signs with this digest"},
    {REASON_PADDING, "this key never signs with this padding"},
    {REASON_CONTENT_LENGTH, "the content is too long for a TLS handshake"},
    {REASON_BUFFER, "the buffer for the signature is too small"},
    {REASON_KEY_FILE, "the key file is malformed: write it again"},
    {REASON_KEY_KIND, "the key must be P-256, P-384, RSA with 2048 to 4096 bits, or Ed25519"},
    {REASON_URI, "not an acme-agent: URI"},
    {0, NULL},
};

void provider_fail(
    const struct provider *provider, const char *file, int line, const char *function, enum reason reason, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    provider->new_error(provider->core);
    provider->set_error_debug(provider->core, file, line, function);
    provider->vset_error(provider->core, (uint32_t)reason, format, arguments);
    va_end(arguments);
}

#define PROPERTIES "provider=" PROVIDER_NAME

static const OSSL_ALGORITHM keymgmts[] = {
    {"EC:id-ecPublicKey:1.2.840.10045.2.1", PROPERTIES, keymgmt_ec, "ECDSA key of acme-agent"},
    {"RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTIES, keymgmt_rsa, "RSA key of acme-agent"},
    {"ED25519:1.3.101.112", PROPERTIES, keymgmt_ed25519, "Ed25519 key of acme-agent"},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM signatures[] = {
    {"ECDSA", PROPERTIES, signature_functions, "ECDSA by acme-agent"},
    {"RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTIES, signature_functions, "RSA by acme-agent"},
    {"ED25519:1.3.101.112", PROPERTIES, signature_functions, "Ed25519 by acme-agent"},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM decoders[] = {
    {"DER", PROPERTIES ",input=pem", decoder_pem, "key file of acme-agent"},
    {"EC", PROPERTIES ",input=der,structure=acme-agent", decoder_der, "key file of acme-agent"},
    {"RSA", PROPERTIES ",input=der,structure=acme-agent", decoder_der, "key file of acme-agent"},
    {"ED25519", PROPERTIES ",input=der,structure=acme-agent", decoder_der, "key file of acme-agent"},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM stores[] = {
    {"acme-agent", PROPERTIES, store_functions, "keys of acme-agent by name"},
    {NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *query(void *context, int operation, int *no_cache) {
    (void)context;
    *no_cache = 0;
    switch (operation) {
        case OSSL_OP_KEYMGMT: return keymgmts;
        case OSSL_OP_SIGNATURE: return signatures;
        case OSSL_OP_DECODER: return decoders;
        case OSSL_OP_STORE: return stores;
        default: return NULL;
    }
}

static const OSSL_ITEM *get_reason_strings(void *context) {
    (void)context;
    return reason_strings;
}

static const OSSL_PARAM *gettable_params(void *context) {
    static const OSSL_PARAM table[] = {
        OSSL_PARAM_DEFN(OSSL_PROV_PARAM_NAME, OSSL_PARAM_UTF8_PTR, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PROV_PARAM_VERSION, OSSL_PARAM_UTF8_PTR, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PROV_PARAM_STATUS, OSSL_PARAM_INTEGER, NULL, 0),
        OSSL_PARAM_END,
    };
    (void)context;
    return table;
}

/* PROVIDER_VERSION is the programs' version; Config/provider sets it. */
static int get_params(void *context, OSSL_PARAM params[]) {
    (void)context;
    OSSL_PARAM *param = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_NAME);
    if (param != NULL && !OSSL_PARAM_set_utf8_ptr(param, "keys of acme-agent, for TLS")) return 0;
    param = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_VERSION);
    if (param != NULL && !OSSL_PARAM_set_utf8_ptr(param, PROVIDER_VERSION)) return 0;
    param = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);
    return param == NULL || OSSL_PARAM_set_int(param, 1);
}

static void teardown(void *context) {
    struct provider *provider = context;
    agents_free(provider);
    OSSL_LIB_CTX_free(provider->library);
    OPENSSL_free(provider);
}

static const OSSL_DISPATCH provider_functions[] = {
    {OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown},
    {OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, (void (*)(void))gettable_params},
    {OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))get_params},
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
    {OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, (void (*)(void))get_reason_strings},
    {0, NULL},
};

/* The provider's section of openssl.cnf may have `socket = PATH`. */
static const char *configured_socket(const OSSL_CORE_HANDLE *core, OSSL_FUNC_core_get_params_fn *core_get_params) {
    char *socket = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_ptr("socket", &socket, 0),
        OSSL_PARAM_construct_end(),
    };
    if (core_get_params == NULL || !core_get_params(core, params) || socket == NULL) return DEFAULT_SOCKET;
    return socket;
}

__attribute__((visibility("default"))) OSSL_provider_init_fn OSSL_provider_init;

int OSSL_provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **context) {
    OSSL_FUNC_core_get_params_fn *core_get_params = NULL;
    struct provider *provider = OPENSSL_zalloc(sizeof *provider);
    if (provider == NULL) return 0;
    provider->core = core;
    for (const OSSL_DISPATCH *entry = in; entry->function_id != 0; entry++) {
        switch (entry->function_id) {
            case OSSL_FUNC_CORE_GET_PARAMS: core_get_params = OSSL_FUNC_core_get_params(entry); break;
            case OSSL_FUNC_CORE_NEW_ERROR: provider->new_error = OSSL_FUNC_core_new_error(entry); break;
            case OSSL_FUNC_CORE_SET_ERROR_DEBUG: provider->set_error_debug = OSSL_FUNC_core_set_error_debug(entry); break;
            case OSSL_FUNC_CORE_VSET_ERROR: provider->vset_error = OSSL_FUNC_core_vset_error(entry); break;
            default: break;
        }
    }
    if (provider->new_error == NULL || provider->set_error_debug == NULL || provider->vset_error == NULL ||
        (provider->library = OSSL_LIB_CTX_new_from_dispatch(core, in)) == NULL) {
        OPENSSL_free(provider);
        return 0;
    }
    provider->socket = configured_socket(core, core_get_params);
    *context = provider;
    *out = provider_functions;
    return 1;
}
