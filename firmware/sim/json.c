#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Return where the value of a key begins, or NULL.
static const char *find(const char *line, const char *key)
{
    char quoted[40];
    const int length = snprintf(quoted, sizeof quoted, "\"%s\"", key);
    for (const char *at = strstr(line, quoted); at != NULL; at = strstr(at + 1, quoted)) {
        const char *value = at + length;
        value += strspn(value, " ");
        if (*value == ':') {
            return value + 1 + strspn(value + 1, " ");
        }
    }
    return NULL;
}

bool json_text(const char *line, const char *key, char *out, size_t size)
{
    const char *value = find(line, key);
    if (value == NULL || *value != '"') {
        return false;
    }
    const size_t length = strcspn(value + 1, "\"");
    if (length + 1 > size || value[1 + length] != '"') {
        return false;
    }
    memcpy(out, value + 1, length);
    out[length] = '\0';
    return true;
}

double json_number(const char *line, const char *key, double otherwise)
{
    const char *value = find(line, key);
    char *end = NULL;
    const double number = value == NULL ? otherwise : strtod(value, &end);
    return value == NULL || end == value ? otherwise : number;
}

bool json_flag(const char *line, const char *key, bool otherwise)
{
    const char *value = find(line, key);
    return value == NULL ? otherwise : strncmp(value, "true", 4) == 0;
}

int json_hex(const char *line, const char *key, uint8_t *out, size_t size)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = find(line, key);
    if (at == NULL || *at++ != '"') {
        return -1;
    }
    size_t nibbles = 0;
    for (; *at != '"'; at++) {
        const char *digit = *at ? strchr(digits, *at) : NULL;
        if (*at == ' ') {
            continue;
        }
        if (digit == NULL || nibbles / 2 >= size) {
            return -1;
        }
        const uint8_t value = (uint8_t)((digit - digits) & 15);
        out[nibbles / 2] = (uint8_t)(nibbles % 2 ? out[nibbles / 2] << 4 | value : value);
        nibbles++;
    }
    return nibbles % 2 ? -1 : (int)(nibbles / 2);
}
