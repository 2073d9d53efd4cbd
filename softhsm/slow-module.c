// A PKCS#11 module for the benchmark: SoftHSM, with a C_Sign as slow as that of a real token on a bus or a network.
//
// C_Sign takes SLOW_SIGN_MILLISECONDS. Sessions wait concurrently, as on a token that supports several.
// Built by the benchmark: cc -shared -fPIC $(pkg-config --cflags p11-kit-1) -o slow-module.so slow-module.c -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <time.h>

static CK_FUNCTION_LIST real, slow;
static struct timespec pause_time;

static CK_RV s_Sign(CK_SESSION_HANDLE session, unsigned char *data, unsigned long length, unsigned char *signature, unsigned long *size) {
    struct timespec left = pause_time;
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
    return real.C_Sign(session, data, length, signature, size);
}

static void *softhsm(void) {
    static const char *const places[] = {
        "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so",
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        void *module = dlopen(places[i], RTLD_NOW | RTLD_LOCAL);
        if (module != NULL) return module;
    }
    return NULL;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list) {
    if (slow.C_Sign == NULL) {
        void *module = softhsm();
        CK_C_GetFunctionList get = module != NULL ? (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList") : NULL;
        const char *milliseconds = getenv("SLOW_SIGN_MILLISECONDS");
        CK_FUNCTION_LIST *functions;
        if (get == NULL || get(&functions) != CKR_OK) return CKR_GENERAL_ERROR;
        long value = milliseconds != NULL ? atol(milliseconds) : 0;
        pause_time = (struct timespec){.tv_sec = value / 1000, .tv_nsec = value % 1000 * 1000000};
        real = *functions;
        slow = real;
        slow.C_Sign = s_Sign;
    }
    *list = &slow;
    return CKR_OK;
}
