#pragma once

#include <p11-kit/pkcs11.h>
#include <stddef.h>
#include <stdint.h>

// What PKCS#11 v3.0 adds to find a module's functions; p11-kit's headers of Debian 12 are v2.40.

/// CK_INTERFACE (PKCS#11 v3.0 §3.7). The list of "PKCS 11" begins as the v2.40 list does.
typedef struct cpkcs11_interface {
    unsigned char *name;
    CK_FUNCTION_LIST_PTR functions;
    unsigned long flags;
} cpkcs11_interface;

/// C_GetInterface (PKCS#11 v3.0 §5.4.6).
typedef CK_RV (*cpkcs11_get_interface)(
    const unsigned char *name, CK_VERSION *version, cpkcs11_interface **interface, unsigned long flags);

/// Fills `tag` with the first two bytes of SHA-256 iterated over `salt` and `pin`, and wipes every byte it worked with.
/// This is no password hash: two bytes tell whether a PIN was tried before, and little more.
void cpkcs11_pin_tag(
    const uint8_t *salt, size_t salt_length, const uint8_t *pin, size_t pin_length, uint32_t iterations, uint8_t tag[2]);
