#include "message.h"

#include <string.h>

#define DEPTH_MAXIMUM 8

struct cursor {
    const char *at, *end;
};

static void skip_blank(struct cursor *cursor) {
    while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\t' || *cursor->at == '\n' || *cursor->at == '\r'))
        cursor->at++;
}

static int take(struct cursor *cursor, char byte) {
    if (cursor->at == cursor->end || *cursor->at != byte) return 0;
    cursor->at++;
    return 1;
}

static int skip_word(struct cursor *cursor, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, word, length) != 0) return 0;
    cursor->at += length;
    return 1;
}

static int hexadecimal(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static int skip_string(struct cursor *cursor) {
    if (!take(cursor, '"')) return 0;
    while (cursor->at < cursor->end) {
        unsigned char byte = (unsigned char)*cursor->at++;
        if (byte == '"') return 1;
        if (byte < 0x20) return 0;
        if (byte != '\\') continue;
        if (cursor->at == cursor->end) return 0;
        char escape = *cursor->at++;
        if (escape == 'u') {
            for (int i = 0; i < 4; i++) {
                if (cursor->at == cursor->end || hexadecimal(*cursor->at++) < 0) return 0;
            }
        } else if (escape == 0 || strchr("\"\\/bfnrt", escape) == NULL) {
            return 0;
        }
    }
    return 0;
}

static int skip_digits(struct cursor *cursor) {
    const char *start = cursor->at;
    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') cursor->at++;
    return cursor->at > start;
}

/* The agent sends integers only. */
static int skip_number(struct cursor *cursor) {
    take(cursor, '-');
    if (take(cursor, '0')) return 1;
    return skip_digits(cursor);
}

static int skip_value(struct cursor *cursor, int depth);

/* Members or elements, up to and with `close`. */
static int skip_members(struct cursor *cursor, char close, int named, int depth) {
    skip_blank(cursor);
    if (take(cursor, close)) return 1;
    for (;;) {
        skip_blank(cursor);
        if (named) {
            if (!skip_string(cursor)) return 0;
            skip_blank(cursor);
            if (!take(cursor, ':')) return 0;
        }
        if (!skip_value(cursor, depth)) return 0;
        if (take(cursor, close)) return 1;
        if (!take(cursor, ',')) return 0;
    }
}

/* A value with the blanks around it. */
static int skip_value(struct cursor *cursor, int depth) {
    int done;
    skip_blank(cursor);
    if (cursor->at == cursor->end) return 0;
    switch (*cursor->at) {
        case '"': done = skip_string(cursor); break;
        case 't': done = skip_word(cursor, "true"); break;
        case 'f': done = skip_word(cursor, "false"); break;
        case 'n': done = skip_word(cursor, "null"); break;
        case '{':
        case '[': {
            int named = *cursor->at++ == '{';
            if (depth == DEPTH_MAXIMUM) return 0;
            done = skip_members(cursor, named ? '}' : ']', named, depth + 1);
            break;
        }
        default: done = skip_number(cursor); break;
    }
    skip_blank(cursor);
    return done;
}

int json_is_valid(struct json text) {
    struct cursor cursor = {text.bytes, text.bytes + text.length};
    return skip_value(&cursor, 0) && cursor.at == cursor.end;
}

int json_member(struct json object, const char *name, struct json *value) {
    struct cursor cursor = {object.bytes, object.bytes + object.length};
    size_t name_length = strlen(name);
    int found = 0;
    skip_blank(&cursor);
    if (!take(&cursor, '{')) return 0;
    skip_blank(&cursor);
    if (take(&cursor, '}')) return 0;
    do {
        skip_blank(&cursor);
        const char *start = cursor.at + 1;
        if (!skip_string(&cursor)) return 0;
        int is_it = (size_t)(cursor.at - 1 - start) == name_length && memcmp(start, name, name_length) == 0;
        skip_blank(&cursor);
        if (!take(&cursor, ':')) return 0;
        skip_blank(&cursor);
        start = cursor.at;
        if (!skip_value(&cursor, 0)) return 0;
        if (is_it) {
            if (found) return 0;
            found = 1;
            value->bytes = start;
            value->length = (size_t)(cursor.at - start);
        }
    } while (take(&cursor, ','));
    return found;
}

/* The byte that an escape stands for, after its backslash. */
static char unescaped(struct cursor *cursor) {
    char escape = *cursor->at++;
    int code = 0;
    switch (escape) {
        case 'n': return '\n';
        case 'b':
        case 'f':
        case 'r':
        case 't': return ' ';
        case 'u':
            for (int i = 0; i < 4; i++) code = code << 4 | hexadecimal(*cursor->at++);
            return code < 0x7f ? (char)code : '?';
        default: return escape;
    }
}

int json_string(struct json value, char *text, size_t size) {
    struct cursor cursor = {value.bytes, value.bytes + value.length};
    size_t length = 0;
    text[0] = 0;
    if (!take(&cursor, '"')) return 0;
    while (*cursor.at != '"') {
        char byte = *cursor.at++;
        if (byte == '\\') byte = unescaped(&cursor);
        if (byte != '\n' && (byte < 0x20 || byte > 0x7e)) byte = '?';
        if (length + 1 == size) return 0;
        text[length++] = byte;
        text[length] = 0;
    }
    return 1;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(const unsigned char *bytes, size_t length, char *text) {
    size_t written = 0;
    unsigned int bits = 0, count = 0;
    for (size_t i = 0; i < length; i++) {
        bits = (bits << 8 | bytes[i]) & 0xffff;
        count += 8;
        while (count >= 6) {
            count -= 6;
            text[written++] = alphabet[bits >> count & 63];
        }
    }
    if (count > 0) text[written++] = alphabet[bits << (6 - count) & 63];
    text[written] = 0;
    return written;
}

int base64url_decode(const char *text, unsigned char *bytes, size_t size, size_t *length) {
    size_t written = 0;
    unsigned int bits = 0, count = 0;
    for (; *text != 0; text++) {
        const char *digit = strchr(alphabet, *text);
        if (digit == NULL) return 0;
        bits = (bits << 6 | (unsigned int)(digit - alphabet)) & 0xffff;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        if (written == size) return 0;
        bytes[written++] = (unsigned char)(bits >> count & 0xff);
    }
    /* A single digit that is left over, or bits that no encoder writes. */
    if (count >= 6 || (bits & ((1u << count) - 1)) != 0) return 0;
    *length = written;
    return 1;
}
