#pragma once

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <stdatomic.h>

/* The provider's name, the module's file name and the property of its algorithms. It sorts after "default": libcrypto
   takes the first provider by name that has an algorithm, and the key management here cannot make keys. */
#define PROVIDER_NAME "tls-acme-agent"
#define DEFAULT_SOCKET "/run/acme-agent/agent.sock"

struct agent;

/* What one OSSL_LIB_CTX has loaded. There is no state outside it. */
struct provider {
    const OSSL_CORE_HANDLE *core;
    OSSL_FUNC_core_new_error_fn *new_error;
    OSSL_FUNC_core_set_error_debug_fn *set_error_debug;
    OSSL_FUNC_core_vset_error_fn *vset_error;
    /* For work with public keys: has only libcrypto's own providers, never this one. */
    OSSL_LIB_CTX *library;
    /* The agents that keys have named, by socket. The list only grows. */
    _Atomic(struct agent *) agents;
    /* For keys that name no socket. */
    const char *socket;
};

/* Why something failed. Each has a sentence in provider.c that says what to do: some servers log nothing else. */
enum reason {
    REASON_SOCKET_MISSING = 1,
    REASON_SOCKET_REFUSED,
    REASON_SOCKET_DENIED,
    REASON_SOCKET_OWNER,
    REASON_SOCKET_PATH,
    REASON_SOCKET_FAILED,
    REASON_DEADLINE,
    REASON_BREAKER,
    REASON_CLOSED,
    REASON_MALFORMED,
    REASON_NOT_GRANTED,
    REASON_NO_SUCH_KEY,
    REASON_KEY_RETIRED,
    REASON_KEY_UNUSABLE,
    REASON_REQUEST_INVALID,
    REASON_TOKEN_UNAVAILABLE,
    REASON_SIGNING_FAILED,
    REASON_AUDIT_UNAVAILABLE,
    REASON_OVERLOADED,
    REASON_AGENT_OLD,
    REASON_DIGEST,
    REASON_PADDING,
    REASON_CONTENT_LENGTH,
    REASON_BUFFER,
    REASON_KEY_FILE,
    REASON_KEY_KIND,
    REASON_URI,
};

/* Puts an error into libcrypto's queue. */
__attribute__((format(printf, 6, 7))) void provider_fail(
    const struct provider *provider, const char *file, int line, const char *function, enum reason reason, const char *format, ...);
#define FAIL(provider, reason, ...) provider_fail(provider, __FILE__, __LINE__, __func__, reason, __VA_ARGS__)

extern const OSSL_DISPATCH keymgmt_ec[], keymgmt_rsa[], keymgmt_ed25519[];
extern const OSSL_DISPATCH signature_functions[];
extern const OSSL_DISPATCH decoder_pem[], decoder_der[];
extern const OSSL_DISPATCH store_functions[];
