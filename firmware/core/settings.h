// Radio settings (SPEC section 3) and what follows from them. No I/O.
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

enum { SETTINGS_LENGTH = 12 };
enum { SETTINGS_IQ_INVERTED = 1, SETTINGS_CRC = 2 };

struct settings {
    uint32_t frequency_hz;
    uint8_t spreading_factor;
    uint8_t bandwidth; // code
    uint8_t coding_rate;
    uint8_t sync_word;
    uint8_t flags;
    uint16_t preamble;
    int8_t power_dbm;
};

uint16_t read16(const uint8_t *bytes);
uint32_t read32(const uint8_t *bytes);

// Read 12 bytes; return false when a value is out of its range.
bool settings_read(struct settings *settings, const uint8_t *bytes);

bool frequency_is_valid(uint32_t frequency_hz);
uint32_t bandwidth_hz(uint8_t code);
uint32_t symbol_us(const struct settings *settings);

// Must low data rate optimization be on? SX1276 datasheet rev. 7, 4.1.1.6: symbols over 16 ms.
bool needs_low_data_rate(const struct settings *settings);

// Return the airtime of a frame in us, rounded up a little. SX1276 datasheet rev. 7, 4.1.1.7.
uint32_t airtime_us(const struct settings *settings, uint8_t payload_length);

#endif
