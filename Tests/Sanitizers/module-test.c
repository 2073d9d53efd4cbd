/* Uses a module of the tests (softhsm/…-module.c) as the helper does, and with inputs that the helper does not have,
   with each fault that it can make. Compiled with the sanitizers by run.

     module-test MODULE PIN      FAULT_DIRECTORY and SOFTHSM2_CONF are set */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static CK_FUNCTION_LIST *functions;
static CK_SLOT_ID slot;
static const char *pin;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
/* secp256r1 */
static unsigned char curve[] = {0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
static CK_MECHANISM generation = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, ecdsa = {CKM_ECDSA, NULL, 0};

static void path_of(const char *name, char path[4096]) {
    CHECK(snprintf(path, 4096, "%s/%s", getenv("FAULT_DIRECTORY"), name) < 4096);
}

static void want(const char *name, const char *content) {
    char path[4096];
    path_of(name, path);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(content, file) >= 0 && fclose(file) == 0);
}

static int want_no_more(const char *name) {
    char path[4096];
    path_of(name, path);
    return unlink(path) == 0;
}

static CK_SESSION_HANDLE session(void) {
    CK_SESSION_HANDLE handle;
    CHECK(functions->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &handle) == CKR_OK);
    return handle;
}

static CK_SESSION_HANDLE logged_in(void) {
    CK_SESSION_HANDLE handle = session();
    CK_RV result = functions->C_Login(handle, CKU_USER, (unsigned char *)pin, strlen(pin));
    CHECK(result == CKR_OK || result == CKR_USER_ALREADY_LOGGED_IN);
    return handle;
}

/* Makes a pair with a private template of so many attributes. */
static CK_RV make(
    CK_SESSION_HANDLE handle, unsigned long attributes, CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key) {
    /* Of exactly this size, so that a read beyond it is seen. */
    CK_ATTRIBUTE *private_template = calloc(attributes, sizeof *private_template);
    CK_ATTRIBUTE public_template[] = {
        {CKA_EC_PARAMS, curve, sizeof curve}, {CKA_TOKEN, &yes, sizeof yes}, {CKA_VERIFY, &yes, sizeof yes}};
    for (unsigned long i = 0; i < attributes; i++) private_template[i] = (CK_ATTRIBUTE){CKA_SIGN, &yes, sizeof yes};
    private_template[0] = (CK_ATTRIBUTE){CKA_TOKEN, &yes, sizeof yes};
    private_template[1] = (CK_ATTRIBUTE){CKA_EXTRACTABLE, &no, sizeof no};
    private_template[2] = (CK_ATTRIBUTE){CKA_DECRYPT, &no, sizeof no};
    CK_RV result = functions->C_GenerateKeyPair(
        handle, &generation, public_template, 3, private_template, attributes, public_key, private_key);
    free(private_template);
    return result;
}

static void sign(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE key, CK_RV initialised, CK_RV expected) {
    unsigned char digest[32] = {1}, signature[64];
    unsigned long size = sizeof signature;
    CHECK(functions->C_SignInit(handle, &ecdsa, key) == initialised);
    if (initialised == CKR_OK) CHECK(functions->C_Sign(handle, digest, sizeof digest, signature, &size) == expected);
    if (initialised == CKR_OK && expected == CKR_OK) CHECK(size == sizeof signature);
}

/* The only object of a class; a login gives it another handle. */
static CK_OBJECT_HANDLE only(CK_SESSION_HANDLE handle, CK_OBJECT_CLASS class) {
    CK_ATTRIBUTE search = {CKA_CLASS, &class, sizeof class};
    CK_OBJECT_HANDLE found[8];
    unsigned long count;
    CHECK(functions->C_FindObjectsInit(handle, &search, 1) == CKR_OK);
    CHECK(functions->C_FindObjects(handle, found, 8, &count) == CKR_OK && count == 1);
    CHECK(functions->C_FindObjectsFinal(handle) == CKR_OK);
    return found[0];
}

/* What both modules do: all that SoftHSM does. */
static void check_use(void) {
    CK_SESSION_HANDLE handle = logged_in();
    CK_OBJECT_HANDLE public_key, private_key;
    CHECK(make(handle, 4, &public_key, &private_key) == CKR_OK);
    sign(handle, private_key, CKR_OK, CKR_OK);
    CHECK(only(handle, CKO_PRIVATE_KEY) == private_key);
    CHECK(functions->C_DestroyObject(handle, private_key) == CKR_OK);
    CHECK(functions->C_DestroyObject(handle, public_key) == CKR_OK);
    CHECK(functions->C_CloseSession(handle) == CKR_OK);
}

/* Numbers as NSS stores them: only where there is room for a number, and no fewer bytes. */
static void check_stored_numbers(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE key) {
    CK_ATTRIBUTE length_only = {CKA_CLASS, NULL, 0};
    CK_ULONG number = 0;
    CK_ATTRIBUTE exact = {CKA_KEY_TYPE, &number, sizeof number};
    unsigned char *room = malloc(16);
    CK_ATTRIBUTE larger = {CKA_KEY_TYPE, room, 16};
    CK_ATTRIBUTE unknown[] = {{CKA_VENDOR_DEFINED | 1, room, 16}, {CKA_CLASS, room, 16}};
    CK_ATTRIBUTE many[20];
    want("stored-numbers", "");
    CHECK(functions->C_GetAttributeValue(handle, key, &length_only, 1) == CKR_OK);
    CHECK(length_only.ulValueLen == sizeof(CK_ULONG));
    CHECK(functions->C_GetAttributeValue(handle, key, &exact, 1) == CKR_OK && number == CKK_EC);
    CHECK(functions->C_GetAttributeValue(handle, key, &larger, 1) == CKR_OK);
    CHECK(larger.ulValueLen == 4 && room[3] == CKK_EC);
    CHECK(functions->C_GetAttributeValue(handle, key, unknown, 2) == CKR_ATTRIBUTE_TYPE_INVALID);
    for (int i = 0; i < 20; i++) many[i] = (CK_ATTRIBUTE){CKA_CLASS, &number, sizeof number};
    CHECK(functions->C_GetAttributeValue(handle, key, many, 20) == CKR_OK && number == CKO_PRIVATE_KEY);
    CHECK(want_no_more("stored-numbers"));
    free(room);
}

static void check_faults(void) {
    CK_SESSION_HANDLE handle = logged_in(), other;
    CK_OBJECT_HANDLE public_key, private_key;
    CK_SESSION_INFO information;
    CK_TOKEN_INFO token;
    CK_ULONG count = 0;
    unsigned char bytes[8];
    CHECK(make(handle, 4, &public_key, &private_key) == CKR_OK);
    check_stored_numbers(handle, private_key);

    /* SoftHSM knows nothing of the fault: the operation is still active in the session. */
    want("C_Sign", "5 2");
    for (int i = 0; i < 2; i++) {
        other = session();
        sign(other, private_key, CKR_OK, CKR_GENERAL_ERROR);
        CHECK(functions->C_CloseSession(other) == CKR_OK);
    }
    sign(handle, private_key, CKR_OK, CKR_OK);
    /* What is no number, or nothing, asks for nothing. */
    want("C_SignInit", "");
    sign(handle, private_key, CKR_OK, CKR_OK);
    want("C_SignInit", "x y");
    sign(handle, private_key, CKR_OK, CKR_OK);
    want("C_SignInit", "30 1");
    sign(handle, private_key, CKR_DEVICE_ERROR, CKR_OK);

    /* A template as long as it may be, with an attribute added to it, and one that is longer. */
    CK_OBJECT_HANDLE keys[2];
    want("always-auth", "");
    want("extractable", "");
    CHECK(make(handle, 61, &keys[0], &keys[1]) == CKR_TEMPLATE_INCONSISTENT);
    CHECK(make(handle, 1000, &keys[0], &keys[1]) == CKR_TEMPLATE_INCONSISTENT);
    CK_RV result = make(handle, 60, &keys[0], &keys[1]);
    CHECK(result == CKR_OK || result == CKR_TEMPLATE_INCONSISTENT);
    for (int i = 0; i < 2 && result == CKR_OK; i++) CHECK(functions->C_DestroyObject(handle, keys[i]) == CKR_OK);
    CHECK(want_no_more("always-auth") && want_no_more("extractable"));
    want("decrypt-refused", "");
    CHECK(make(handle, 4, &keys[0], &keys[1]) == CKR_GENERAL_ERROR && want_no_more("decrypt-refused"));
    want("C_GenerateKeyPair.after", "30 1");
    CHECK(make(handle, 4, &keys[0], &keys[1]) == CKR_DEVICE_ERROR);
    want("C_DestroyObject.after", "30 1");
    CHECK(functions->C_DestroyObject(handle, keys[0]) == CKR_DEVICE_ERROR);
    CHECK(functions->C_DestroyObject(handle, keys[0]) == CKR_OBJECT_HANDLE_INVALID);
    CHECK(functions->C_DestroyObject(handle, keys[1]) == CKR_OK);

    want("token-flags", "10000");
    CHECK(functions->C_GetTokenInfo(slot, &token) == CKR_OK && (token.flags & CKF_USER_PIN_COUNT_LOW) != 0);
    CHECK(want_no_more("token-flags"));
    CHECK(functions->C_GenerateRandom(handle, bytes, sizeof bytes) == CKR_OK);

    want("session-limit", "1");
    CHECK(functions->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &other) == CKR_SESSION_COUNT);
    CHECK(want_no_more("session-limit"));

    want("logged-out", "");
    CHECK(functions->C_SignInit(handle, &ecdsa, private_key) != CKR_OK && !want_no_more("logged-out"));
    CHECK(functions->C_CloseSession(handle) == CKR_OK);
    handle = logged_in();
    private_key = only(handle, CKO_PRIVATE_KEY);
    want("sessions-lost", "");
    CHECK(functions->C_SignInit(handle, &ecdsa, private_key) == CKR_SESSION_HANDLE_INVALID);
    handle = logged_in();

    want("away", "");
    CHECK(functions->C_GetSlotList(CK_TRUE, NULL, &count) == CKR_OK && count == 0);
    CHECK(functions->C_GetTokenInfo(slot, &token) == CKR_TOKEN_NOT_PRESENT);
    CHECK(functions->C_GetSessionInfo(handle, &information) == CKR_DEVICE_REMOVED);
    CHECK(want_no_more("away"));
    CHECK(functions->C_GetSessionInfo(handle, &information) == CKR_SESSION_HANDLE_INVALID);
    handle = logged_in();
    CHECK(functions->C_DestroyObject(handle, only(handle, CKO_PRIVATE_KEY)) == CKR_OK);
    CHECK(functions->C_DestroyObject(handle, only(handle, CKO_PUBLIC_KEY)) == CKR_OK);
    CHECK(functions->C_CloseSession(handle) == CKR_OK);
}

int main(int count, char **arguments) {
    CHECK(count == 3);
    pin = arguments[2];
    void *module = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (module == NULL) fprintf(stderr, "%s\n", dlerror());
    CHECK(module != NULL);
    CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList");
    CK_FUNCTION_LIST *again;
    CK_SLOT_ID slots[8];
    CK_ULONG slot_count = 8;
    CHECK(get != NULL && get(&functions) == CKR_OK && get(&again) == CKR_OK && functions == again);
    CHECK(functions->C_Initialize(NULL) == CKR_OK);
    CHECK(functions->C_GetSlotList(CK_TRUE, slots, &slot_count) == CKR_OK && slot_count > 0);
    slot = slots[0];
    check_use();
    if (strstr(arguments[1], "fault") != NULL) check_faults();
    CHECK(functions->C_Finalize(NULL) == CKR_OK);
    return 0;
}
