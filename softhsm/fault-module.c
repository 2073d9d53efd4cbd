// A PKCS#11 module for tests: SoftHSM, with faults that real tokens have and SoftHSM does not.
//
// FAULT_DIRECTORY names a folder. Every call appends its function's name to the file `calls`, and every fault that is
// named after a function its file's name to the file `faults`. The functions are all those that the helper uses. Files
// with the name of a function, for example C_Sign:
//   C_Sign             holds "RETURN-VALUE COUNT": the next COUNT calls return that value (hexadecimal) and do nothing
//                      else; without COUNT all calls do, while the file exists
//   C_Sign.after       holds the same: the calls do their work and still return that value
//   C_Sign.hang        the next call does not return (the file is removed)
//   C_Sign.crash       the process is killed by the next call (the file is removed)
//   C_Sign.lost        the next call finds every session of every slot gone (the file is removed)
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
//   leak               C_GenerateKeyPair loses that many bytes (hexadecimal) of memory
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
        int numbers = fscanf(file, "%lx %lu", &value, &count);
        fclose(file);
        // Not written again, so that whoever removes the file has ended the fault.
        if (numbers == 1) return value;
        if (numbers != 2) value = CKR_OK, count = 0;
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

static void note(const char *list, const char *line) {
    char path[4096];
    path_of(list, path, sizeof path);
    FILE *file = fopen(path, "ae");
    if (file == NULL) return;
    fprintf(file, "%s\n", line);
    fclose(file);
}

// Whether the fault FUNCTION.KIND was requested for one call; that is noted.
static int struck(const char *function, const char *kind) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s", function, kind);
    if (!consumed(name)) return 0;
    note("faults", name);
    return 1;
}

static void lose_all_sessions(void) {
    CK_SLOT_ID slots[64];
    CK_ULONG count = 64;
    open_sessions = 0;
    // Before the function list was asked for there are none.
    if (real.C_GetSlotList != NULL && real.C_GetSlotList(CK_TRUE, slots, &count) == CKR_OK)
        for (CK_ULONG i = 0; i < count; i++) real.C_CloseAllSessions(slots[i]);
}

// Records the call, does what is requested for it and returns the requested return value, or CKR_OK.
static CK_RV fault(const char *function) {
    pthread_mutex_lock(&lock);
    note("calls", function);
    int hangs = struck(function, "hang");
    if (struck(function, "crash")) raise(SIGKILL);
    if (struck(function, "lost")) lose_all_sessions();
    CK_RV value = wanted_by(function);
    if (value != CKR_OK) note("faults", function);
    pthread_mutex_unlock(&lock);
    while (hangs) pause();
    return value;
}

// Whether the device is unplugged. The first call after it is back finds every session gone.
static int away(void) {
    int is_away = present("away");
    pthread_mutex_lock(&lock);
    if (is_away) {
        was_away = 1;
    } else if (was_away) {
        was_away = 0;
        lose_all_sessions();
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
static CK_RV after(const char *function, CK_RV returned) {
    char name[128];
    if (returned != CKR_OK) return returned;
    snprintf(name, sizeof name, "%s.after", function);
    pthread_mutex_lock(&lock);
    CK_RV value = wanted_by(name);
    if (value != CKR_OK) note("faults", name);
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

// As modules do that forget to free what they have used.
static void leak(void) {
    unsigned long size = number_in("leak", 0);
    char *lost = size > 0 ? malloc(size) : NULL;
    if (lost != NULL) memset(lost, 1, size);
}

static CK_RV f_Initialize(void *arguments) {
    FAULT(C_Initialize);
    return after("C_Initialize", real.C_Initialize(arguments));
}

static CK_RV f_Finalize(void *reserved) {
    FAULT(C_Finalize);
    open_sessions = 0;
    return after("C_Finalize", real.C_Finalize(reserved));
}

static CK_RV f_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info) {
    FAULT(C_GetTokenInfo);
    if (away()) return CKR_TOKEN_NOT_PRESENT;
    CK_RV returned = real.C_GetTokenInfo(slot, info);
    if (returned == CKR_OK) info->flags = (info->flags & ~number_in("token-flags-off", 0)) | number_in("token-flags", 0);
    return after("C_GetTokenInfo", returned);
}

static CK_RV f_GetSlotList(CK_BBOOL only_with_token, CK_SLOT_ID *slots, CK_ULONG *count) {
    FAULT(C_GetSlotList);
    if (!away() || !only_with_token)
        return after("C_GetSlotList", real.C_GetSlotList(only_with_token, slots, count));
    *count = 0;
    return CKR_OK;
}

static CK_RV f_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO *info) {
    DEVICE(C_GetSessionInfo);
    return after("C_GetSessionInfo", real.C_GetSessionInfo(session, info));
}

static CK_RV f_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify, CK_SESSION_HANDLE *session) {
    FAULT(C_OpenSession);
    if (away()) return CKR_TOKEN_NOT_PRESENT;
    pthread_mutex_lock(&lock);
    int is_full = open_sessions >= (long)number_in("session-limit", 0x7fffffff);
    if (!is_full) open_sessions++;
    pthread_mutex_unlock(&lock);
    if (is_full) return CKR_SESSION_COUNT;
    return after("C_OpenSession", real.C_OpenSession(slot, flags, application, notify, session));
}

static CK_RV f_CloseSession(CK_SESSION_HANDLE session) {
    FAULT(C_CloseSession);
    CK_RV returned = real.C_CloseSession(session);
    pthread_mutex_lock(&lock);
    if (returned == CKR_OK) open_sessions--;
    pthread_mutex_unlock(&lock);
    return after("C_CloseSession", returned);
}

static CK_RV f_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char *pin, unsigned long length) {
    DEVICE(C_Login);
    while (present("login-held")) usleep(1000);
    CK_RV returned = real.C_Login(session, user, pin, length);
    while (present("login-held-after")) usleep(1000);
    return after("C_Login", returned);
}

static CK_RV f_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key) {
    DEVICE(C_SignInit);
    if (consumed("logged-out")) real.C_Logout(session);
    if (consumed("sessions-lost")) lose_sessions(session);
    return after("C_SignInit", real.C_SignInit(session, mechanism, key));
}

static CK_RV f_Sign(CK_SESSION_HANDLE session, unsigned char *data, unsigned long length, unsigned char *signature, unsigned long *size) {
    DEVICE(C_Sign);
    return after("C_Sign", real.C_Sign(session, data, length, signature, size));
}

static CK_RV f_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, unsigned long count) {
    DEVICE(C_FindObjectsInit);
    while (present("search-held")) usleep(1000);
    if (consumed("search-logged-out")) real.C_Logout(session);
    return after("C_FindObjectsInit", real.C_FindObjectsInit(session, template, count));
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
    return after("C_GetAttributeValue", returned);
}

static CK_RV f_GenerateRandom(CK_SESSION_HANDLE session, unsigned char *bytes, unsigned long length) {
    DEVICE(C_GenerateRandom);
    return after("C_GenerateRandom", real.C_GenerateRandom(session, bytes, length));
}

static CK_RV f_GenerateKeyPair(
    CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *public_template, unsigned long public_count,
    CK_ATTRIBUTE *private_template, unsigned long private_count, CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key) {
    static CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE attributes[64];
    DEVICE(C_GenerateKeyPair);
    leak();
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
    return after("C_GenerateKeyPair", returned);
}

static CK_RV f_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
    FAULT(C_DestroyObject);
    return after("C_DestroyObject", real.C_DestroyObject(session, object));
}

// The functions that have no faults but those that are named after them.
#define PLAIN(name, parameters, arguments)                 \
    static CK_RV f_##name parameters {                     \
        FAULT(C_##name);                                   \
        return after("C_" #name, real.C_##name arguments); \
    }

PLAIN(GetInfo, (CK_INFO *info), (info))
PLAIN(GetSlotInfo, (CK_SLOT_ID slot, CK_SLOT_INFO *info), (slot, info))
PLAIN(GetMechanismList, (CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *count), (slot, list, count))
PLAIN(GetMechanismInfo, (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info), (slot, type, info))
PLAIN(FindObjects, (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, CK_ULONG most, CK_ULONG *count),
      (session, objects, most, count))
PLAIN(FindObjectsFinal, (CK_SESSION_HANDLE session), (session))
PLAIN(SetAttributeValue, (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *template, CK_ULONG count),
      (session, object, template, count))

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list) {
    FAULT(C_GetFunctionList);
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
        faulty.C_GetInfo = f_GetInfo;
        faulty.C_GetSlotInfo = f_GetSlotInfo;
        faulty.C_GetMechanismList = f_GetMechanismList;
        faulty.C_GetMechanismInfo = f_GetMechanismInfo;
        faulty.C_FindObjects = f_FindObjects;
        faulty.C_FindObjectsFinal = f_FindObjectsFinal;
        faulty.C_SetAttributeValue = f_SetAttributeValue;
    }
    *list = &faulty;
    return after("C_GetFunctionList", CKR_OK);
}
