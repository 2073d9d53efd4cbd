// SHA-256 (FIPS 180-4) of a PIN, without a trace in memory. The available libraries leave their last block in freed
// memory, and that block would be the PIN. This one works in a single structure, which it wipes before it returns.
#define _DEFAULT_SOURCE
#include "CPKCS11.h"

#include <string.h>

typedef struct {
    uint32_t state[8];
    uint32_t schedule[64];
    uint32_t variables[8];
    uint8_t block[64];
    size_t filled;
    uint64_t length;
    uint8_t digest[32];
} hash;

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotate(uint32_t value, int count) { return value >> count | value << (32 - count); }

static void compress(hash *h) {
    uint32_t *w = h->schedule, *v = h->variables;
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)h->block[4 * i] << 24 | (uint32_t)h->block[4 * i + 1] << 16 | (uint32_t)h->block[4 * i + 2] << 8 |
               h->block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    memcpy(v, h->state, sizeof h->state);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t one = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[i] + w[i];
        uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t two = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += one;
        v[0] = one + two;
    }
    for (int i = 0; i < 8; i++) h->state[i] += v[i];
}

static void start(hash *h) {
    static const uint32_t initial[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    memcpy(h->state, initial, sizeof initial);
    h->filled = 0;
    h->length = 0;
}

static void add(hash *h, const uint8_t *bytes, size_t count) {
    h->length += count;
    for (size_t i = 0; i < count; i++) {
        h->block[h->filled++] = bytes[i];
        if (h->filled == sizeof h->block) {
            compress(h);
            h->filled = 0;
        }
    }
}

static void finish(hash *h) {
    uint64_t bits = h->length * 8;
    h->block[h->filled++] = 0x80;
    if (h->filled > 56) {
        memset(h->block + h->filled, 0, sizeof h->block - h->filled);
        compress(h);
        h->filled = 0;
    }
    memset(h->block + h->filled, 0, 56 - h->filled);
    for (int i = 0; i < 8; i++) h->block[56 + i] = (uint8_t)(bits >> (56 - 8 * i));
    compress(h);
    for (int i = 0; i < 32; i++) h->digest[i] = (uint8_t)(h->state[i / 4] >> (24 - 8 * (i % 4)));
}

void cpkcs11_pin_tag(
    const uint8_t *salt, size_t salt_length, const uint8_t *pin, size_t pin_length, uint32_t iterations, uint8_t tag[2]) {
    hash h;
    start(&h);
    add(&h, salt, salt_length);
    add(&h, pin, pin_length);
    finish(&h);
    for (uint32_t i = 0; i < iterations; i++) {
        uint8_t *previous = h.digest;
        start(&h);
        add(&h, salt, salt_length);
        add(&h, previous, sizeof h.digest);
        finish(&h);
    }
    tag[0] = h.digest[0];
    tag[1] = h.digest[1];
    explicit_bzero(&h, sizeof h);
}
