/* Gives the provider's reader of the agent's answers texts that are changed at random, the same in every run, each in
   memory of exactly its size. Compiled with the sanitizers by run. */
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "message.h"

#define ROUNDS 200000

static uint64_t state = 1;

static size_t below(size_t count) {
    /* SplitMix64 */
    uint64_t mixed = state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return (size_t)((mixed ^ (mixed >> 31)) % count);
}

static const char *const texts[] = {
    "{\"parameters\":{\"signature\":\"3q2-7w\"}}",
    "{\"error\":\"org.acmeagent.Agent.KeyNotFound\",\"parameters\":{\"name\":\"w\\u00e9b\\n\\\"\"}}",
    "{ \"a\" : [ 1 , -0 , { } , [ [ [ [ true ] ] ] ] ] , \"a\" : null }",
    "\"\\ud83d\\ude00\\/\"",
};
static const char *const names[] = {"parameters", "signature", "error", "name", "a", ""};
static const char pieces[] = "{}[]\":,\\ubnt0123456789-aefrslE \t\n";

static size_t change(const char *text, char *changed, size_t room) {
    size_t length = strlen(text);
    memcpy(changed, text, length);
    for (size_t steps = 1 + below(4); steps > 0; steps--) {
        size_t at = below(length + 1);
        switch (below(4)) {
            case 0:
                if (at < length) changed[at] = (char)below(256);
                break;
            case 1:
                if (at < length) memmove(changed + at, changed + at + 1, --length - at);
                break;
            case 2:
                length = at;
                break;
            default:
                if (length == room) break;
                memmove(changed + at + 1, changed + at, length++ - at);
                changed[at] = pieces[below(sizeof pieces - 1)];
        }
    }
    return length;
}

/* What decodes is what is encoded, and no byte is written beyond the memory of either. */
static void check_base64url(const char *text) {
    for (size_t size = 0; size <= 8; size++) {
        unsigned char *bytes = malloc(size);
        size_t length;
        if (base64url_decode(text, bytes, size, &length)) {
            char *again = malloc(4 * ((length + 2) / 3) + 1);
            CHECK(length <= size && base64url_encode(bytes, length, again) == strlen(text) && strcmp(again, text) == 0);
            free(again);
        }
        free(bytes);
    }
}

static void check_string(struct json value) {
    static const size_t sizes[] = {1, 2, 8, 256};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *text = malloc(sizes[i]);
        int is_whole = json_string(value, text, sizes[i]);
        size_t length = strlen(text);
        CHECK(length < sizes[i]);
        for (size_t j = 0; j < length; j++) CHECK((text[j] >= 0x20 && text[j] < 0x7f) || text[j] == '\n');
        if (is_whole) check_base64url(text);
        free(text);
    }
}

int main(void) {
    size_t valid = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char changed[512];
        size_t length = change(texts[below(sizeof texts / sizeof *texts)], changed, sizeof changed);
        char *exact = malloc(length);
        memcpy(exact, changed, length);
        struct json text = {exact, length}, value, inner;
        if (json_is_valid(text)) {
            valid++;
            check_string(text);
            for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                if (!json_member(text, names[i], &value)) continue;
                CHECK(value.bytes >= exact && value.bytes + value.length <= exact + length && json_is_valid(value));
                check_string(value);
                for (size_t j = 0; j < sizeof names / sizeof *names; j++)
                    if (json_member(value, names[j], &inner)) check_string(inner);
            }
        }
        free(exact);
    }
    /* Otherwise nothing but json_is_valid was tried. */
    CHECK(valid > ROUNDS / 50);
    return 0;
}
