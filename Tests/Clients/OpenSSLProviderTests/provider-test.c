/* Signs with keys of the OpenSSL provider, as servers do.

     provider-test sign COUNT KEY       signs COUNT times; prints how many failed, the longest time, the reason for the
                                        last failure and how many more descriptors are open than after the first
     provider-test handshakes COUNT CERTIFICATE KEY
                                        TLS 1.3 handshakes, with server and client in this process; prints the same
     provider-test refused KEY          a digest, SHA-1, an update in pieces, a private export: none is possible
     provider-test outage KEY           signs until that succeeds; prints how long it took, the first time and the longest of
                                        the others
     provider-test methods KEY          prints why contents of each form are not signed
     provider-test fork KEY             parent and children sign at the same time, after the parent has signed
     provider-test threads KEY          threads sign at the same time
     provider-test stray KEY            signs each time after bytes have arrived that are no answer
     provider-test crowd SOCKET KEY     threads wait for an absent agent together; then one that does not answer appears
     provider-test contexts KEY         two library contexts, one of them freed while the other is used
     provider-test reused KEY           a file gets the number of the connection's descriptor
     provider-test user USER KEY        threads sign, then the process becomes that user, who may not use the key
     provider-test inherit KEY          loads a key, then forks: the child has no connection of the parent
     provider-test stack                a private key that is not the agent's is read, and is not left on the stack
     provider-test damaged KEY-FILE     reads the file cut off at each byte, and with each byte changed
     provider-test keygen               keys of every kind are made as without the provider

   KEY is a file or a URI. The provider comes from OPENSSL_CONF. Exits with 1 if a check fails. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/store.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONTENT_LENGTH 130
/* Signatures of each process or thread, where several sign at the same time. */
#define ROUNDS 25

static void fill_content(unsigned char *content, unsigned int number) {
    memset(content, ' ', 64);
    memcpy(content + 64, "TLS 1.3, server CertificateVerify", 34);
    memset(content + 98, 0, 32);
    memcpy(content + 98, &number, sizeof number);
}

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "provider-test: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static EVP_PKEY *load_key(OSSL_LIB_CTX *library, const char *name) {
    EVP_PKEY *key = NULL;
    if (name[0] == '/') {
        BIO *file = BIO_new_file(name, "r");
        if (file != NULL) key = PEM_read_bio_PrivateKey_ex(file, NULL, NULL, NULL, library, NULL);
        BIO_free(file);
    } else {
        OSSL_STORE_CTX *store = OSSL_STORE_open_ex(name, library, NULL, NULL, NULL, NULL, NULL, NULL);
        OSSL_STORE_INFO *info = store == NULL ? NULL : OSSL_STORE_load(store);
        if (info != NULL) key = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
        OSSL_STORE_close(store);
    }
    if (key == NULL) fail("the key cannot be loaded");
    return key;
}

static const char *digest_for(EVP_PKEY *key) {
    if (EVP_PKEY_is_a(key, "ED25519")) return NULL;
    return EVP_PKEY_get_bits(key) == 384 ? "SHA384" : "SHA256";
}

/* Signs one content; with `verify` checks the signature. */
static int sign(OSSL_LIB_CTX *library, EVP_PKEY *key, unsigned int number, int verify) {
    unsigned char content[CONTENT_LENGTH], signature[1024];
    size_t length = sizeof signature;
    fill_content(content, number);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    int done = EVP_DigestSignInit_ex(context, &options, digest_for(key), library, NULL, key, NULL);
    if (done && EVP_PKEY_is_a(key, "RSA")) {
        done = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) > 0 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) > 0;
    }
    done = done && EVP_DigestSign(context, signature, &length, content, sizeof content) > 0;
    EVP_MD_CTX_free(context);
    if (!done || !verify) return done;

    /* A public key of libcrypto's own. */
    unsigned char *spki = NULL;
    int size = i2d_PUBKEY(key, &spki);
    const unsigned char *end = spki;
    EVP_PKEY *public_half = size <= 0 ? NULL : d2i_PUBKEY_ex(NULL, &end, size, library, "provider=default");
    context = EVP_MD_CTX_new();
    done = public_half != NULL && EVP_DigestVerifyInit_ex(context, &options, digest_for(key), library, NULL, public_half, NULL) > 0;
    if (done && EVP_PKEY_is_a(key, "RSA")) done = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) > 0;
    done = done && EVP_DigestVerify(context, signature, length, content, sizeof content) > 0;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public_half);
    OPENSSL_free(spki);
    return done;
}

static int open_descriptors(void) {
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL) count++;
    closedir(folder);
    return count;
}

static int open_sockets(void) {
    struct stat status;
    int count = 0;
    for (int descriptor = 0; descriptor < 1024; descriptor++) count += fstat(descriptor, &status) == 0 && S_ISSOCK(status.st_mode);
    return count;
}

static long milliseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* What happened in a number of calls. */
struct tally {
    int calls, failed, descriptors;
    long longest;
    char reason[1024];
};

/* Counts a call that began at `start`, with the reason for a failure from libcrypto's first error. */
static void count_call(struct tally *tally, int done, long start) {
    if (!done) {
        const char *data = "";
        int flags = 0;
        unsigned long error = ERR_peek_error_data(&data, &flags);
        const char *words = ERR_reason_error_string(error);
        snprintf(tally->reason, sizeof tally->reason, "%s (%s)", words == NULL ? "no reason" : words, data);
        tally->failed++;
    }
    ERR_clear_error();
    long took = milliseconds() - start;
    if (took > tally->longest) tally->longest = took;
    if (tally->calls++ == 0) tally->descriptors = open_descriptors();
}

static void print_tally(const struct tally *tally) {
    printf(
        "failed %d of %d, longest %ld ms, descriptors %+d, %s\n", tally->failed, tally->calls, tally->longest,
        open_descriptors() - tally->descriptors, tally->reason);
}

static int sign_often(const char *name, int count) {
    EVP_PKEY *key = load_key(NULL, name);
    struct tally tally = {.reason = "-"};
    for (int i = 0; i < count; i++) {
        long start = milliseconds();
        count_call(&tally, sign(NULL, key, (unsigned int)i, 0), start);
    }
    print_tally(&tally);
    EVP_PKEY_free(key);
    return 0;
}

/* One handshake through memory. */
static int shake_hands(SSL_CTX *server_context, SSL_CTX *client_context) {
    SSL *ends[] = {SSL_new(server_context), SSL_new(client_context)};
    BIO *server_bio = NULL, *client_bio = NULL;
    int done[] = {0, 0}, failed = 0;
    if (ends[0] == NULL || ends[1] == NULL || !BIO_new_bio_pair(&server_bio, 0, &client_bio, 0)) fail("a connection");
    SSL_set_bio(ends[0], server_bio, server_bio);
    SSL_set_bio(ends[1], client_bio, client_bio);
    SSL_set_accept_state(ends[0]);
    SSL_set_connect_state(ends[1]);
    while (!failed && !(done[0] && done[1])) {
        for (int i = 0; i < 2; i++) {
            int result = SSL_do_handshake(ends[i]), error = SSL_get_error(ends[i], result);
            done[i] = result == 1;
            if (!done[i] && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) failed = 1;
            if (failed) break;
        }
    }
    SSL_free(ends[0]);
    SSL_free(ends[1]);
    return !failed;
}

static int shake_often(const char *certificate, const char *name, int count) {
    EVP_PKEY *key = load_key(NULL, name);
    SSL_CTX *server = SSL_CTX_new(TLS_server_method()), *client = SSL_CTX_new(TLS_client_method());
    struct tally tally = {.reason = "-"};
    if (server == NULL || client == NULL || SSL_CTX_use_certificate_chain_file(server, certificate) != 1 ||
        SSL_CTX_use_PrivateKey(server, key) != 1)
        fail("certificate and key");
    for (int i = 0; i < count; i++) {
        long start = milliseconds();
        count_call(&tally, shake_hands(server, client), start);
    }
    print_tally(&tally);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    EVP_PKEY_free(key);
    return 0;
}

static int wait_for_end_of_outage(const char *name) {
    EVP_PKEY *key = load_key(NULL, name);
    long begin = milliseconds(), first = -1, longest = 0;
    int calls = 0;
    for (int done = 0; !done && calls < 10000; calls++) {
        long start = milliseconds();
        done = sign(NULL, key, 0, 0);
        ERR_clear_error();
        long took = milliseconds() - start;
        if (first < 0) first = took;
        else if (took > longest) longest = took;
        usleep(10000);
    }
    printf("signed after %ld ms, first call %ld ms, longest other %ld ms\n", milliseconds() - begin, first, longest);
    EVP_PKEY_free(key);
    return 0;
}

static void refuses(int done, const char *what) {
    if (done) fail(what);
    unsigned long error = ERR_peek_error();
    printf("%s: %s\n", what, ERR_reason_error_string(error));
    if (error == 0 || ERR_reason_error_string(error) == NULL) fail("no reason");
    ERR_clear_error();
}

static int check_refused(const char *name) {
    EVP_PKEY *key = load_key(NULL, name);
    unsigned char digest[32] = {1}, signature[1024];
    size_t length = sizeof signature;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    refuses(EVP_PKEY_sign_init(context) > 0, "a digest is signed");
    refuses(EVP_PKEY_decrypt_init(context) > 0, "the key decrypts");
    refuses(EVP_PKEY_derive_init(context) > 0, "the key derives");
    EVP_PKEY_CTX_free(context);

    const char *digests[] = {"SHA1", "MD5-SHA1", "SHA512", "SHA224", "SHA3-256", "MD5"};
    for (size_t i = 0; i < sizeof digests / sizeof *digests; i++) {
        EVP_MD_CTX *hash = EVP_MD_CTX_new();
        refuses(EVP_DigestSignInit_ex(hash, NULL, digests[i], NULL, NULL, key, NULL) > 0, digests[i]);
        EVP_MD_CTX_free(hash);
    }
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (EVP_DigestSignInit_ex(hash, NULL, digest_for(key), NULL, NULL, key, NULL) <= 0) fail("init");
    refuses(EVP_DigestSignUpdate(hash, digest, sizeof digest) > 0, "content comes in pieces");
    EVP_MD_CTX_free(hash);
    hash = EVP_MD_CTX_new();
    if (EVP_DigestSignInit_ex(hash, NULL, digest_for(key), NULL, NULL, key, NULL) <= 0) fail("init");
    refuses(EVP_DigestSign(hash, signature, &length, digest, sizeof digest) > 0, "a digest is signed as content");
    EVP_MD_CTX_free(hash);

    OSSL_PARAM *params = NULL;
    if (EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &params) > 0) fail("a key pair is exported");
    ERR_clear_error();
    if (EVP_PKEY_todata(key, EVP_PKEY_PUBLIC_KEY, &params) <= 0) fail("the public half is not exported");
    OSSL_PARAM_free(params);
    BIO *out = BIO_new(BIO_s_mem());
    if (PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) > 0) fail("a private key is written");
    ERR_clear_error();
    BIO_free(out);
    EVP_PKEY_free(key);
    return 0;
}

/* Contents that begin with spaces and a context, and the signed content of a ServerKeyExchange. */
static int print_methods(const char *name) {
    static const struct {
        const char *form, *context;
        size_t spaces, length;
    } forms[] = {
        {"server, SHA-256", "TLS 1.3, server CertificateVerify", 64, 130},
        {"server, SHA-384", "TLS 1.3, server CertificateVerify", 64, 146},
        {"client, SHA-256", "TLS 1.3, client CertificateVerify", 64, 130},
        {"client, SHA-384", "TLS 1.3, client CertificateVerify", 64, 146},
        {"client, long", "TLS 1.3, client CertificateVerify", 64, 147},
        {"client after 63 spaces", "TLS 1.3, client CertificateVerify", 63, 130},
        {"client after 65 spaces", "TLS 1.3, client CertificateVerify", 65, 130},
        {"X25519", NULL, 0, 100},
        {"P-256", NULL, 0, 133},
        {"P-384", NULL, 0, 165},
        {"X448", NULL, 0, 124},
        {"P-256 and a byte", NULL, 0, 134},
        {"explicit curve", NULL, 1, 133},
        {"digest", NULL, 0, 32},
        {"spaces", NULL, 64, 64},
        {"nothing", NULL, 0, 0},
    };
    EVP_PKEY *key = load_key(NULL, name);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        unsigned char content[256] = {0}, signature[1024];
        size_t length = sizeof signature;
        const char *data = "", *context = forms[i].context;
        int flags = 0;
        if (context != NULL || forms[i].length == forms[i].spaces) memset(content, ' ', forms[i].spaces);
        else content[64] = forms[i].spaces == 0 ? 3 : 1;
        if (context != NULL) memcpy(content + forms[i].spaces, context, strlen(context));
        EVP_MD_CTX *hash = EVP_MD_CTX_new();
        if (EVP_DigestSignInit_ex(hash, NULL, digest_for(key), NULL, NULL, key, NULL) <= 0) fail("init");
        if (EVP_DigestSign(hash, signature, &length, content, forms[i].length) > 0) fail("it is signed");
        ERR_peek_error_data(&data, &flags);
        /* The agent's words follow the key's name. */
        printf("%s: %s\n", forms[i].form, strstr(data, ": ") == NULL ? data : strstr(data, ": ") + 2);
        ERR_clear_error();
        EVP_MD_CTX_free(hash);
    }
    EVP_PKEY_free(key);
    return 0;
}

static int check_fork(const char *name) {
    EVP_PKEY *key = load_key(NULL, name);
    int status, failed = 0;
    if (!sign(NULL, key, 0, 1)) fail("the first signature");
    for (int child = 0; child < 6; child++) {
        if (fork() != 0) continue;
        for (unsigned int i = 0; i < ROUNDS; i++) {
            if (!sign(NULL, key, i * 7 + (unsigned int)child, 1)) fail("a signature of a child");
        }
        /* Like a server that exits: with libcrypto's clean-up. */
        EVP_PKEY_free(key);
        exit(0);
    }
    for (unsigned int i = 0; i < ROUNDS; i++) {
        if (!sign(NULL, key, i, 1)) fail("a signature of the parent");
    }
    while (wait(&status) > 0) failed += status != 0;
    if (!sign(NULL, key, 99, 1)) fail("the parent's signature after its children's end");
    EVP_PKEY_free(key);
    return failed != 0;
}

struct work {
    OSSL_LIB_CTX *library;
    EVP_PKEY *key;
};

static void *sign_in_thread(void *argument) {
    struct work *work = argument;
    for (unsigned int i = 0; i < ROUNDS; i++) {
        if (!sign(work->library, work->key, i, 1)) fail("a signature of a thread");
    }
    return NULL;
}

static void run_threads(struct work *work) {
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, sign_in_thread, work);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
}

static int check_threads(const char *name) {
    struct work work = {NULL, load_key(NULL, name)};
    run_threads(&work);
    EVP_PKEY_free(work.key);
    return 0;
}

static int check_stray(const char *name) {
    EVP_PKEY *key = load_key(NULL, name);
    for (unsigned int i = 0; i < 20; i++) {
        struct stat status;
        struct pollfd waited = {3, POLLIN, 0};
        if (!sign(NULL, key, i, 0)) fail("a signature after a stray answer");
        while (waited.fd < 64 && !(fstat(waited.fd, &status) == 0 && S_ISSOCK(status.st_mode))) waited.fd++;
        if (poll(&waited, 1, 5000) != 1) fail("no stray answer");
    }
    EVP_PKEY_free(key);
    return 0;
}

static void *fail_in_thread(void *argument) {
    if (sign(NULL, argument, 0, 0)) fail("an absent agent has signed");
    return NULL;
}

/* Prints the pause after the first deadline that is missed then: it doubles with each missed deadline. */
static int wait_in_crowd(const char *socket, const char *name) {
    EVP_PKEY *key = load_key(NULL, name);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, fail_in_thread, key);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    printf("waited\n");
    fflush(stdout);
    while (access(socket, F_OK) != 0) usleep(10000);
    if (sign(NULL, key, 0, 0)) fail("an agent that does not answer has signed");
    long pause_begin = milliseconds(), start;
    do {
        usleep(10000);
        start = milliseconds();
        if (sign(NULL, key, 0, 0)) fail("an agent that does not answer has signed");
        /* A call that is sent takes a second. */
    } while (milliseconds() - start < 500);
    printf("pause %ld ms\n", start - pause_begin);
    EVP_PKEY_free(key);
    return 0;
}

static int check_contexts(const char *name) {
    struct work first = {OSSL_LIB_CTX_new(), NULL}, second = {OSSL_LIB_CTX_new(), NULL};
    const char *configuration = getenv("OPENSSL_CONF");
    if (!OSSL_LIB_CTX_load_config(first.library, configuration) || !OSSL_LIB_CTX_load_config(second.library, configuration))
        fail("the configuration");
    first.key = load_key(first.library, name);
    second.key = load_key(second.library, name);
    run_threads(&first);
    if (!sign(second.library, second.key, 1, 1)) fail("the second context");
    EVP_PKEY_free(first.key);
    OSSL_LIB_CTX_free(first.library);
    run_threads(&second);
    EVP_PKEY_free(second.key);
    OSSL_LIB_CTX_free(second.library);
    return 0;
}

/* Like a program that becomes a daemon: closes every descriptor and opens others. */
static int check_reused(const char *name) {
    EVP_PKEY *key = load_key(NULL, name);
    char path[] = "/tmp/provider-test.XXXXXX";
    int file = mkstemp(path);
    struct stat status;
    if (!sign(NULL, key, 0, 1)) fail("the first signature");
    for (int descriptor = 3; descriptor < 64; descriptor++) {
        if (descriptor == file) continue;
        if (fstat(descriptor, &status) == 0 && S_ISSOCK(status.st_mode)) dup2(file, descriptor);
    }
    int before = open_descriptors();
    if (!sign(NULL, key, 1, 1)) fail("a signature after the descriptor was reused");
    if (open_descriptors() != before + 1) fail("the program's own descriptor was closed");
    if (fstat(file, &status) != 0 || status.st_size != 0) fail("the call was written into the program's file");
    unlink(path);
    EVP_PKEY_free(key);
    return 0;
}

/* Like a server that starts as root. The agent must see who asks now, not who asked first. */
static int check_user(const char *user, const char *name) {
    struct work work = {NULL, load_key(NULL, name)};
    const struct passwd *entry = getpwnam(user);
    int sockets = open_sockets();
    if (entry == NULL) fail("no such user");
    run_threads(&work);
    if (open_sockets() == sockets) fail("no connection is kept");
    if (setgroups(1, &entry->pw_gid) != 0 || setegid(entry->pw_gid) != 0 || seteuid(entry->pw_uid) != 0) fail("another user");
    if (sign(NULL, work.key, 1, 0)) fail("the connection of the former user was used");
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    if (reason == NULL || strstr(reason, "no such key") == NULL) fail("not for that reason");
    if (open_sockets() != sockets + 1) fail("a connection of the former user is still open");
    EVP_PKEY_free(work.key);
    return 0;
}

/* Like a server that reads its keys as root and has workers of another user: one that is broken into must not find a
   connection on which the agent takes it for root. */
static int check_inherit(const char *name) {
    int status, sockets = open_sockets();
    EVP_PKEY *key = load_key(NULL, name);
    pid_t child = fork();
    if (child == 0) _exit(open_sockets() != sockets);
    if (child < 0 || waitpid(child, &status, 0) != child) fail("fork");
    if (status != 0) fail("the child has a connection of the parent");
    if (!sign(NULL, key, 0, 1)) fail("a signature");
    EVP_PKEY_free(key);
    return 0;
}

static void *load_in_thread(void *uri) { return load_key(NULL, uri); }

/* The decoders are offered other private keys too: none of one may stay on the stack. */
static int check_stack(void) {
    static unsigned char stack[1 << 20];
    unsigned char number[32];
    char path[] = "/tmp/provider-test.XXXXXX", uri[sizeof path + 5];
    void *again = NULL;
    BIGNUM *secret = NULL;
    pthread_t thread;
    pthread_attr_t attributes;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    close(mkstemp(path));
    BIO *out = BIO_new_file(path, "w");
    if (!PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL)) fail("writing a key");
    BIO_free(out);
    snprintf(uri, sizeof uri, "file:%s", path);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, sizeof stack);
    if (pthread_create(&thread, &attributes, load_in_thread, uri) != 0) fail("thread");
    pthread_join(thread, &again);
    unlink(path);
    if (EVP_PKEY_eq(again, key) != 1) fail("a key of a store");
    if (!EVP_PKEY_get_bn_param(key, "priv", &secret) || BN_bn2binpad(secret, number, sizeof number) != sizeof number) fail("number");
    if (memmem(stack, sizeof stack, number, sizeof number) != NULL) fail("a private key stays on the stack");
    BN_clear_free(secret);
    EVP_PKEY_free(again);
    EVP_PKEY_free(key);
    return 0;
}

static int is_read(const char *label, const unsigned char *der, long length) {
    BIO *memory = BIO_new(BIO_s_mem());
    if (memory == NULL || !PEM_write_bio(memory, label, "", der, length)) fail("a key file in memory");
    EVP_PKEY *key = PEM_read_bio_PrivateKey_ex(memory, NULL, NULL, NULL, NULL, NULL);
    int result = key != NULL;
    EVP_PKEY_free(key);
    BIO_free(memory);
    ERR_clear_error();
    return result;
}

static int check_damaged(const char *name) {
    static const unsigned char changes[] = {0x01, 0x80, 0xff};
    BIO *file = BIO_new_file(name, "r");
    char *label, *header;
    unsigned char *der;
    long length, read = 0;
    if (file == NULL || !PEM_read_bio(file, &label, &header, &der, &length)) fail("the key file");
    BIO_free(file);
    if (!is_read(label, der, length)) fail("the key file as it is");
    for (long count = 1; count < length; count++)
        if (is_read(label, der, count)) fail("a key file that is cut off is read");
    for (long i = 0; i < length; i++) {
        for (size_t j = 0; j < sizeof changes; j++) {
            der[i] ^= changes[j];
            read += is_read(label, der, length);
            der[i] ^= changes[j];
        }
    }
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_free(der);
    /* Another name, or another key of RSA, is a key file too. */
    printf("%ld of %ld changed files read\n", read, (long)sizeof changes * length);
    return 0;
}

static int check_keygen(void) {
    EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_RSA_gen(2048), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (keys[i] == NULL || !sign(NULL, keys[i], 1, 1)) fail("a key of libcrypto's own");
        BIO *out = BIO_new(BIO_s_mem());
        if (!PEM_write_bio_PrivateKey(out, keys[i], NULL, NULL, 0, NULL, NULL)) fail("writing a key");
        EVP_PKEY *again = PEM_read_bio_PrivateKey(out, NULL, NULL, NULL);
        if (again == NULL || EVP_PKEY_eq(again, keys[i]) != 1) fail("reading a key again");
        EVP_PKEY_free(again);
        BIO_free(out);
        /* Through a store, which offers DER to all decoders; in PKCS #8, and as OpenSSL wrote keys before that. */
        for (int traditional = 0; traditional < 2; traditional++) {
            char path[] = "/tmp/provider-test.XXXXXX";
            close(mkstemp(path));
            out = BIO_new_file(path, "w");
            int written = traditional && i < 3 ? PEM_write_bio_PrivateKey_traditional(out, keys[i], NULL, NULL, 0, NULL, NULL)
                                               : PEM_write_bio_PrivateKey(out, keys[i], NULL, NULL, 0, NULL, NULL);
            BIO_free(out);
            char uri[sizeof path + 5];
            snprintf(uri, sizeof uri, "file:%s", path);
            again = written ? load_key(NULL, uri) : NULL;
            unlink(path);
            if (again == NULL || EVP_PKEY_eq(again, keys[i]) != 1) fail("a key of a store");
            EVP_PKEY_free(again);
        }
        EVP_PKEY_free(keys[i]);
    }
    return 0;
}

int main(int count, char **arguments) {
    const char *mode = count > 1 ? arguments[1] : "";
    if (count == 4 && strcmp(mode, "sign") == 0) return sign_often(arguments[3], atoi(arguments[2]));
    if (count == 5 && strcmp(mode, "handshakes") == 0) return shake_often(arguments[3], arguments[4], atoi(arguments[2]));
    if (count == 2 && strcmp(mode, "stack") == 0) return check_stack();
    if (count == 2 && strcmp(mode, "keygen") == 0) return check_keygen();
    if (count == 3 && strcmp(mode, "refused") == 0) return check_refused(arguments[2]);
    if (count == 3 && strcmp(mode, "outage") == 0) return wait_for_end_of_outage(arguments[2]);
    if (count == 3 && strcmp(mode, "methods") == 0) return print_methods(arguments[2]);
    if (count == 3 && strcmp(mode, "fork") == 0) return check_fork(arguments[2]);
    if (count == 3 && strcmp(mode, "threads") == 0) return check_threads(arguments[2]);
    if (count == 3 && strcmp(mode, "stray") == 0) return check_stray(arguments[2]);
    if (count == 4 && strcmp(mode, "crowd") == 0) return wait_in_crowd(arguments[2], arguments[3]);
    if (count == 3 && strcmp(mode, "contexts") == 0) return check_contexts(arguments[2]);
    if (count == 3 && strcmp(mode, "reused") == 0) return check_reused(arguments[2]);
    if (count == 4 && strcmp(mode, "user") == 0) return check_user(arguments[2], arguments[3]);
    if (count == 3 && strcmp(mode, "inherit") == 0) return check_inherit(arguments[2]);
    if (count == 3 && strcmp(mode, "damaged") == 0) return check_damaged(arguments[2]);
    fprintf(stderr, "provider-test: see its source for the arguments\n");
    return 2;
}
