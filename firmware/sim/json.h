// One flat JSON object on a line: strings without escapes, numbers, true and false. Sim only.
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool json_text(const char *line, const char *key, char *out, size_t size);
double json_number(const char *line, const char *key, double otherwise);
bool json_flag(const char *line, const char *key, bool otherwise);

// Read a string of hex digits, blanks allowed; return how many bytes, -1 when it is none.
int json_hex(const char *line, const char *key, uint8_t *out, size_t size);

#endif
