/* The calls of the agent's interface (Docs/protocol.md) and what its errors mean here. */
#include "request.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#define INTERFACE "org.acmeagent.Agent"
/* A TLS 1.2 client signs all messages of its handshake, which the agent refuses and records. */
#define CONTENT_MAXIMUM 65536

struct prefix {
    const char *text;
    const char *method;
};

/* RFC 8446 section 4.4.3, after 64 spaces. */
static const struct prefix contexts[] = {
    {"TLS 1.3, server CertificateVerify", "SignHandshake"},
    {"TLS 1.3, client CertificateVerify", "SignClientHandshake"},
};
/* A ServerKeyExchange's signed content: both randoms, then ECParameters with a named curve, then the point (RFC 8422
   section 5.4), of X25519, P-256 and P-384. */
static const size_t key_exchange_lengths[] = {100, 133, 165};
#define RANDOMS 64
#define NAMED_CURVE 3

/* Content in none of these forms is sent as a server's handshake, so that the agent refuses and records it. */
static const char *method_for(const unsigned char *content, size_t length) {
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++) {
        size_t text = strlen(contexts[i].text);
        size_t spaces = 0;
        while (spaces < 64 && spaces < length && content[spaces] == ' ') spaces++;
        if (spaces == 64 && length >= 64 + text && memcmp(content + 64, contexts[i].text, text) == 0) return contexts[i].method;
    }
    for (size_t i = 0; i < sizeof key_exchange_lengths / sizeof *key_exchange_lengths; i++) {
        if (length == key_exchange_lengths[i] && content[RANDOMS] == NAMED_CURVE) return "SignServerKeyExchange";
    }
    return "SignHandshake";
}

struct fault {
    const char *error;
    enum reason reason;
};

static const struct fault faults[] = {
    {INTERFACE ".Refused", REASON_NOT_GRANTED},
    {INTERFACE ".KeyNotFound", REASON_NO_SUCH_KEY},
    {INTERFACE ".KeyUnusable", REASON_KEY_UNUSABLE},
    {INTERFACE ".InvalidRequest", REASON_REQUEST_INVALID},
    {INTERFACE ".TokenUnavailable", REASON_TOKEN_UNAVAILABLE},
    {INTERFACE ".SigningFailed", REASON_SIGNING_FAILED},
    {INTERFACE ".AuditUnavailable", REASON_AUDIT_UNAVAILABLE},
    {INTERFACE ".Overloaded", REASON_OVERLOADED},
    {"org.varlink.service.MethodNotFound", REASON_AGENT_OLD},
};

/* A member's text on one line, for a log; empty if there is none. */
static void read_words(struct json parameters, const char *member, char *words, size_t size) {
    struct json value;
    words[0] = 0;
    if (json_member(parameters, member, &value)) json_string(value, words, size);
    for (; *words != 0; words++) {
        if (*words == '\n') *words = ' ';
    }
}

/* Reports an error of the agent, in its own words. */
static void report_error(struct provider *provider, const char *key, struct json error, struct json parameters) {
    char name[128], message[400], hint[400], parameter[32], correlation[64];
    if (!json_string(error, name, sizeof name)) {
        FAIL(provider, REASON_MALFORMED, "its error is not a string");
        return;
    }
    read_words(parameters, "message", message, sizeof message);
    read_words(parameters, "hint", hint, sizeof hint);
    read_words(parameters, "parameter", parameter, sizeof parameter);
    read_words(parameters, "correlation", correlation, sizeof correlation);
    enum reason reason = REASON_MALFORMED;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (strcmp(name, faults[i].error) == 0) reason = faults[i].reason;
    }
    if (reason == REASON_REQUEST_INVALID && strcmp(parameter, "key") == 0 && strstr(message, "retired") != NULL)
        reason = REASON_KEY_RETIRED;
    if (message[0] == 0) FAIL(provider, reason, "key \"%s\": %s", key, name);
    else {
        /* With the correlation the call is found in the agent's log and audit trail. */
        const char *before = correlation[0] == 0 ? "" : " (correlation ", *after = correlation[0] == 0 ? "" : ")";
        FAIL(
            provider, reason, "key \"%s\": %s%s%s%s%s%s", key, message, hint[0] == 0 ? "" : "; hint: ", hint, before, correlation, after);
    }
}

/* Sends a call and finds its reply's parameters in `answer`, which the caller frees. */
static int call_agent(
    struct provider *provider, struct agent *agent, const char *key, const char *call, enum connection_use use, struct json *answer,
    struct json *parameters) {
    struct json error;
    *parameters = (struct json){"{}", 2};
    if (!agent_call(provider, agent, (struct json){call, strlen(call)}, use, answer)) return 0;
    if (!json_is_valid(*answer)) {
        FAIL(provider, REASON_MALFORMED, "it is not JSON");
    } else {
        json_member(*answer, "parameters", parameters);
        if (!json_member(*answer, "error", &error)) return 1;
        report_error(provider, key, error, *parameters);
    }
    OPENSSL_free((void *)(uintptr_t)answer->bytes);
    return 0;
}

int request_signature(
    const struct key *key, const unsigned char *content, size_t length, const char *scheme, unsigned char *signature, size_t size,
    size_t *signature_length) {
    struct json answer, parameters, value;
    /* Room for more than an RSA-4096 signature. */
    char text[1024];
    if (length > CONTENT_MAXIMUM) {
        FAIL(key->provider, REASON_CONTENT_LENGTH, "%zu bytes", length);
        return 0;
    }
    size_t room = 4 * ((length + 2) / 3) + 256 + KEY_NAME_MAXIMUM;
    char *call = OPENSSL_malloc(room);
    if (call == NULL) return 0;
    int begin = snprintf(
        call, room, "{\"method\":\"" INTERFACE ".%s\",\"parameters\":{\"key\":\"%s\",\"scheme\":\"%s\",\"content\":\"",
        method_for(content, length), key->name, scheme);
    size_t written = (size_t)begin + base64url_encode(content, length, call + begin);
    memcpy(call + written, "\"}}", 4);
    int done = call_agent(key->provider, key->agent, key->name, call, CONNECTION_KEPT, &answer, &parameters);
    OPENSSL_free(call);
    if (!done) return 0;
    done = json_member(parameters, "signature", &value) && json_string(value, text, sizeof text) &&
        base64url_decode(text, signature, size, signature_length);
    if (!done) FAIL(key->provider, REASON_MALFORMED, "it has no signature");
    OPENSSL_free((void *)(uintptr_t)answer.bytes);
    return done;
}

/* A key from the `Key` of the interface. */
static struct key *key_from_description(
    struct provider *provider, const char *name, size_t name_length, const char *socket, size_t socket_length, struct json description) {
    char pem[2048], state[16];
    struct json value;
    char *label = NULL, *header = NULL;
    unsigned char *spki = NULL;
    long length = 0;
    struct key *key = NULL;
    if (!json_member(description, "state", &value) || !json_string(value, state, sizeof state) ||
        !json_member(description, "publicKey", &value) || !json_string(value, pem, sizeof pem)) {
        FAIL(provider, REASON_MALFORMED, "it has no key");
        return NULL;
    }
    if (strcmp(state, "active") != 0) {
        FAIL(provider, REASON_KEY_RETIRED, "key \"%.*s\"", (int)name_length, name);
        return NULL;
    }
    BIO *file = BIO_new_mem_buf(pem, -1);
    if (file != NULL && PEM_read_bio(file, &label, &header, &spki, &length) && strcmp(label, "PUBLIC KEY") == 0 && length > 0) {
        key = key_new(provider, name, name_length, socket, socket_length, spki, (size_t)length);
    } else {
        FAIL(provider, REASON_MALFORMED, "its public key is not PEM");
    }
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_free(spki);
    BIO_free(file);
    return key;
}

struct key *request_key(
    struct provider *provider, const char *name, size_t name_length, const char *socket, size_t socket_length) {
    struct json answer, parameters, description;
    char call[160 + KEY_NAME_MAXIMUM], text[KEY_NAME_MAXIMUM + 1];
    struct key *key = NULL;
    if (!is_key_name(name, name_length)) {
        FAIL(provider, REASON_URI, "it has no valid key name");
        return NULL;
    }
    memcpy(text, name, name_length);
    text[name_length] = 0;
    if (socket == NULL) {
        socket = provider->socket;
        socket_length = strlen(socket);
    }
    struct agent *agent = agent_at(provider, socket, socket_length);
    if (agent == NULL) return NULL;
    snprintf(call, sizeof call, "{\"method\":\"" INTERFACE ".DescribeKey\",\"parameters\":{\"name\":\"%s\"}}", text);
    if (!call_agent(provider, agent, text, call, CONNECTION_CLOSED, &answer, &parameters)) return NULL;
    if (json_member(parameters, "key", &description))
        key = key_from_description(provider, name, name_length, socket, socket_length, description);
    else FAIL(provider, REASON_MALFORMED, "it has no key");
    OPENSSL_free((void *)(uintptr_t)answer.bytes);
    return key;
}
