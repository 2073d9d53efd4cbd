// A PKCS#11 module for tests: SoftHSM, with faults that real tokens have and SoftHSM does not.
//
// FAULT_DIRECTORY names a folder. Every watched call appends its name to the file `calls`. A file with the name of a
// function, for example C_Sign, holds "RETURN-VALUE COUNT": the next COUNT calls return that value and do nothing else.
// C_GenerateKeyPair.after and C_DestroyObject.after hold the same: the next COUNT calls do their work and still return
// that value.
// Further files:
//   token-flags        flags (hexadecimal) that C_GetTokenInfo adds
//   token-flags-off    flags (hexadecimal) that C_GetTokenInfo omits
//   extractable        keys are made extractable, whatever the template says
//   decrypt-refused    C_GenerateKeyPair returns CKR_GENERAL_ERROR for a template that forbids CKA_DECRYPT, as tpm2-pkcs11
//                      does
//   always-auth        keys are made with CKA_ALWAYS_AUTHENTICATE
//   logged-out         the next C_SignInit finds the login gone (the file is removed)
//   sessions-lost      the next C_SignInit finds every session of its slot gone (the file is removed)
//   session-limit      the maximum number of open sessions
//   search-held        C_FindObjectsInit does not return while the file exists
//   search-logged-out  the next C_FindObjectsInit finds the login gone (the file is removed)
//   login-held         C_Login does not begin while the file exists
//   login-held-after   C_Login has done its work and does not return while the file exists
//   away               the device is unplugged: there is no token, calls that need it fail, and sessions and login that
//                      were used meanwhile are gone when the file is removed
//   stored-numbers     C_GetAttributeValue returns a number as NSS stores it, in 4 bytes, if the buffer does not have exactly
//                      the length of a number
//   made-sessions-lost the next C_GenerateKeyPair makes the pair, loses every session of its slot and returns
//                      CKR_SESSION_HANDLE_INVALID (the file is removed)
//   made-died          the next C_GenerateKeyPair makes the pair, and the process is killed (the file is removed)
//   made-public        the next C_GenerateKeyPair makes the public object, and the process is killed (the file is
//                      removed)
//   made-private       the next C_GenerateKeyPair makes the private object, and the process is killed (the file is
//                      removed)
// Built by the tests: cc -shared -fPIC $(pkg-config --cflags p11-kit-1) -o fault-module.so fault-module.c -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static CK_FUNCTION_LIST real, faulty;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long open_sessions;
static int was_away;

static void path_of(const char *name, char *path, size_t size) {
    const char *directory = getenv("FAULT_DIRECTORY");
    snprintf(path, size, "%s/%s", directory != NULL ? directory : "/nonexistent", name);
}

static int present(const char *name) {
    char path[4096];
    path_of(name, path, sizeof path);
    return access(path, F_OK) == 0;
}

static int consumed(const char *name) {
    char path[4096];
    path_of(name, path, sizeof path);
    return unlink(path) == 0;
}

static unsigned long number_in(const char *name, unsigned long otherwise) {
    char path[4096];
    unsigned long value = otherwise;
    path_of(name, path, sizeof path);
    FILE *file = fopen(path, "re");
    if (file == NULL) return otherwise;
    if (fscanf(file, "%lx", &value) != 1) value = otherwise;
    fclose(file);
    return value;
}

// The return value that the file with this name requests for this call, or CKR_OK.
static CK_RV wanted_by(const char *name) {
    char path[4096];
    unsigned long value = CKR_OK, count = 0;
    path_of(name, path, sizeof path);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%lx %lu", &value, &count) != 2) value = CKR_OK, count = 0;
        fclose(file);
        if (count <= 1) {
            unlink(path);
        } else {
            file = fopen(path, "we");
            if (file != NULL) {
                fprintf(file, "%lx %lu\n", value, count - 1);
                fclose(file);
            }
        }
        if (count == 0) value = CKR_OK;
    }
    return value;
}

// Records the call and returns the requested return value, or CKR_OK.
static CK_RV fault(const char *function) {
    char path[4096];
    pthread_mutex_lock(&lock);
    path_of("calls", path, sizeof path);
    FILE *calls = fopen(path, "ae");
    if (calls != NULL) {
        fprintf(calls, "%s\n", function);
        fclose(calls);
    }
    CK_RV value = wanted_by(function);
    pthread_mutex_unlock(&lock);
    return value;
}

// Whether the device is unplugged. The first call after it is back finds every session gone.
static int away(void) {
    CK_SLOT_ID slots[64];
    CK_ULONG count = 64;
    int is_away = present("away");
    pthread_mutex_lock(&lock);
    if (is_away) {
        was_away = 1;
    } else if (was_away) {
        was_away = 0;
        open_sessions = 0;
        if (real.C_GetSlotList(CK_TRUE, slots, &count) == CKR_OK)
            for (CK_ULONG i = 0; i < count; i++) real.C_CloseAllSessions(slots[i]);
    }
    pthread_mutex_unlock(&lock);
    return is_away;
}

// Like FAULT, for calls that need the device.
#define DEVICE(name)                             \
    do {                                         \
        CK_RV wanted = fault(#name);             \
        if (wanted != CKR_OK) return wanted;     \
        if (away()) return CKR_DEVICE_REMOVED;   \
    } while (0)

// The return value requested for a call that did its work, or what it returned.
static CK_RV after(const char *name, CK_RV returned) {
    pthread_mutex_lock(&lock);
    CK_RV value = wanted_by(name);
    pthread_mutex_unlock(&lock);
    return value != CKR_OK ? value : returned;
}

static void lose_sessions(CK_SESSION_HANDLE session) {
    CK_SESSION_INFO info;
    if (real.C_GetSessionInfo(session, &info) == CKR_OK) real.C_CloseAllSessions(info.slotID);
}

#define FAULT(name)                     \
    do {                                \
        CK_RV wanted = fault(#name);    \
        if (wanted != CKR_OK) return wanted; \
    } while (0)

static CK_RV f_Initialize(void *arguments) {
    FAULT(C_Initialize);
    return real.C_Initialize(arguments);
}

static CK_RV f_Finalize(void *reserved) {
    FAULT(C_Finalize);
    open_sessions = 0;
    return real.C_Finalize(reserved);
}

static CK_RV f_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info) {
    FAULT(C_GetTokenInfo);
    if (away()) return CKR_TOKEN_NOT_PRESENT;
    CK_RV returned = real.C_GetTokenInfo(slot, info);
    if (returned == CKR_OK) info->flags = (info->flags & ~number_in("token-flags-off", 0)) | number_in("token-flags", 0);
    return returned;
}

static CK_RV f_GetSlotList(CK_BBOOL only_with_token, CK_SLOT_ID *slots, CK_ULONG *count) {
    FAULT(C_GetSlotList);
    if (!away() || !only_with_token) return real.C_GetSlotList(only_with_token, slots, count);
    *count = 0;
    return CKR_OK;
}

static CK_RV f_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO *info) {
    DEVICE(C_GetSessionInfo);
    return real.C_GetSessionInfo(session, info);
}

static CK_RV f_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify, CK_SESSION_HANDLE *session) {
    FAULT(C_OpenSession);
    if (away()) return CKR_TOKEN_NOT_PRESENT;
    pthread_mutex_lock(&lock);
    int is_full = open_sessions >= (long)number_in("session-limit", 0x7fffffff);
    if (!is_full) open_sessions++;
    pthread_mutex_unlock(&lock);
    return is_full ? CKR_SESSION_COUNT : real.C_OpenSession(slot, flags, application, notify, session);
}

static CK_RV f_CloseSession(CK_SESSION_HANDLE session) {
    CK_RV returned = real.C_CloseSession(session);
    pthread_mutex_lock(&lock);
    if (returned == CKR_OK) open_sessions--;
    pthread_mutex_unlock(&lock);
    return returned;
}

static CK_RV f_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char *pin, unsigned long length) {
    DEVICE(C_Login);
    while (present("login-held")) usleep(1000);
    CK_RV returned = real.C_Login(session, user, pin, length);
    while (present("login-held-after")) usleep(1000);
    return returned;
}

static CK_RV f_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key) {
    DEVICE(C_SignInit);
    if (consumed("logged-out")) real.C_Logout(session);
    if (consumed("sessions-lost")) lose_sessions(session);
    return real.C_SignInit(session, mechanism, key);
}

static CK_RV f_Sign(CK_SESSION_HANDLE session, unsigned char *data, unsigned long length, unsigned char *signature, unsigned long *size) {
    DEVICE(C_Sign);
    return real.C_Sign(session, data, length, signature, size);
}

static CK_RV f_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, unsigned long count) {
    DEVICE(C_FindObjectsInit);
    while (present("search-held")) usleep(1000);
    if (consumed("search-logged-out")) real.C_Logout(session);
    return real.C_FindObjectsInit(session, template, count);
}

static CK_RV f_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *template, unsigned long count) {
    DEVICE(C_GetAttributeValue);
    int numbers_are_stored = present("stored-numbers");
    unsigned long lengths[16] = {0};
    for (unsigned long i = 0; i < count && i < 16; i++) lengths[i] = template[i].ulValueLen;
    CK_RV returned = real.C_GetAttributeValue(session, object, template, count);
    for (unsigned long i = 0; numbers_are_stored && i < count && i < 16; i++)
        if ((template[i].type == CKA_CLASS || template[i].type == CKA_KEY_TYPE) && template[i].ulValueLen == sizeof(CK_ULONG) &&
            template[i].pValue != NULL && lengths[i] != sizeof(CK_ULONG)) {
            unsigned long value;
            memcpy(&value, template[i].pValue, sizeof value);
            for (int byte = 0; byte < 4; byte++) ((unsigned char *)template[i].pValue)[byte] = value >> (24 - 8 * byte);
            template[i].ulValueLen = 4;
        }
    return returned;
}

static CK_RV f_GenerateRandom(CK_SESSION_HANDLE session, unsigned char *bytes, unsigned long length) {
    DEVICE(C_GenerateRandom);
    return real.C_GenerateRandom(session, bytes, length);
}

static CK_RV f_GenerateKeyPair(
    CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *public_template, unsigned long public_count,
    CK_ATTRIBUTE *private_template, unsigned long private_count, CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key) {
    static CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE attributes[64];
    DEVICE(C_GenerateKeyPair);
    if (private_count > 60) return CKR_TEMPLATE_INCONSISTENT;
    memcpy(attributes, private_template, private_count * sizeof *attributes);
    if (present("decrypt-refused"))
        for (unsigned long i = 0; i < private_count; i++)
            if (attributes[i].type == CKA_DECRYPT && *(CK_BBOOL *)attributes[i].pValue == CK_FALSE) return CKR_GENERAL_ERROR;
    if (present("extractable"))
        for (unsigned long i = 0; i < private_count; i++)
            if (attributes[i].type == CKA_EXTRACTABLE) attributes[i].pValue = &yes;
    if (present("always-auth")) attributes[private_count++] = (CK_ATTRIBUTE){CKA_ALWAYS_AUTHENTICATE, &yes, sizeof yes};
    CK_RV returned = real.C_GenerateKeyPair(
        session, mechanism, public_template, public_count, attributes, private_count, public_key, private_key);
    if (returned != CKR_OK) return returned;
    if (consumed("made-died")) raise(SIGKILL);
    if (consumed("made-public")) {
        real.C_DestroyObject(session, *private_key);
        raise(SIGKILL);
    }
    if (consumed("made-private")) {
        real.C_DestroyObject(session, *public_key);
        raise(SIGKILL);
    }
    if (consumed("made-sessions-lost")) {
        lose_sessions(session);
        return CKR_SESSION_HANDLE_INVALID;
    }
    return after("C_GenerateKeyPair.after", returned);
}

static CK_RV f_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
    FAULT(C_DestroyObject);
    CK_RV returned = real.C_DestroyObject(session, object);
    return returned == CKR_OK ? after("C_DestroyObject.after", returned) : returned;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list) {
    if (faulty.C_Sign == NULL) {
        void *module = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
        CK_C_GetFunctionList get = module != NULL ? (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList") : NULL;
        CK_FUNCTION_LIST *functions;
        if (get == NULL || get(&functions) != CKR_OK) return CKR_GENERAL_ERROR;
        real = *functions;
        faulty = real;
        faulty.C_Initialize = f_Initialize;
        faulty.C_Finalize = f_Finalize;
        faulty.C_GetSlotList = f_GetSlotList;
        faulty.C_GetTokenInfo = f_GetTokenInfo;
        faulty.C_GetSessionInfo = f_GetSessionInfo;
        faulty.C_OpenSession = f_OpenSession;
        faulty.C_CloseSession = f_CloseSession;
        faulty.C_Login = f_Login;
        faulty.C_SignInit = f_SignInit;
        faulty.C_Sign = f_Sign;
        faulty.C_FindObjectsInit = f_FindObjectsInit;
        faulty.C_GetAttributeValue = f_GetAttributeValue;
        faulty.C_GenerateRandom = f_GenerateRandom;
        faulty.C_GenerateKeyPair = f_GenerateKeyPair;
        faulty.C_DestroyObject = f_DestroyObject;
    }
    *list = &faulty;
    return CKR_OK;
}
