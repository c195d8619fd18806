#include "settings.h"

uint16_t read16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | (uint16_t)((uint16_t)bytes[1] << 8));
}

uint32_t read32(const uint8_t *bytes)
{
    return read16(bytes) | (uint32_t)read16(bytes + 2) << 16;
}

bool frequency_is_valid(uint32_t frequency_hz)
{
    return frequency_hz >= 137000000 && frequency_hz <= 1020000000;
}

static bool power_is_valid(int8_t dbm)
{
    return (dbm >= 2 && dbm <= 17) || dbm == 20;
}

static bool is_valid(const struct settings *s)
{
    return frequency_is_valid(s->frequency_hz) && s->spreading_factor >= 7 &&
           s->spreading_factor <= 12 && s->bandwidth <= 9 && s->coding_rate >= 5 &&
           s->coding_rate <= 8 && s->sync_word != 0 && s->flags <= 3 && s->preamble >= 6 &&
           s->preamble <= 4096 && power_is_valid(s->power_dbm);
}

bool settings_read(struct settings *settings, const uint8_t *bytes)
{
    settings->frequency_hz = read32(bytes);
    settings->spreading_factor = bytes[4];
    settings->bandwidth = bytes[5];
    settings->coding_rate = bytes[6];
    settings->sync_word = bytes[7];
    settings->flags = bytes[8];
    settings->preamble = read16(bytes + 9);
    settings->power_dbm = (int8_t)bytes[11];
    return is_valid(settings);
}

uint32_t bandwidth_hz(uint8_t code)
{
    // 125 kHz upwards double; the rest are thirds and quarters of them.
    static const uint16_t narrow_decahertz[] = {780, 1040, 1560, 2080, 3125, 4170, 6250};
    if (code < 7) {
        return narrow_decahertz[code] * (uint32_t)10;
    }
    return (uint32_t)125000 << (code - 7);
}

uint32_t symbol_us(const struct settings *settings)
{
    return ((uint32_t)1 << settings->spreading_factor) * 1000000U /
           bandwidth_hz(settings->bandwidth);
}

bool needs_low_data_rate(const struct settings *settings)
{
    return symbol_us(settings) > 16000;
}

uint32_t airtime_us(const struct settings *settings, uint8_t payload_length)
{
    const uint8_t sf = settings->spreading_factor;
    const uint8_t per_group = (uint8_t)(4 * (sf - (needs_low_data_rate(settings) ? 2 : 0)));
    int16_t bits = (int16_t)(8 * payload_length - 4 * sf + 28);
    if (settings->flags & SETTINGS_CRC) {
        bits = (int16_t)(bits + 16);
    }
    const uint16_t rounded = bits > 0 ? (uint16_t)(bits + per_group - 1) : 0;
    const uint16_t groups = (uint16_t)(rounded / per_group);
    // 4.25 symbols of sync word are counted as 5.
    const uint32_t symbols =
        (uint32_t)settings->preamble + 5 + 8 + (uint32_t)groups * settings->coding_rate;
    return symbols * symbol_us(settings);
}
