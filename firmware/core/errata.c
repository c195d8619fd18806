#include "errata.h"

#include "registers.h"
#include "sx127x.h"

void erratum_2_1_wide_bandwidth(const struct settings *settings)
{
    const uint16_t mhz = (uint16_t)(settings->frequency_hz / 1000000U);
    const bool wide = settings->bandwidth == BANDWIDTH_500_KHZ;
    if (wide && mhz >= 862) {
        sx127x_write(REG_HIGH_BW_OPTIMIZE1, 0x02);
        sx127x_write(REG_HIGH_BW_OPTIMIZE2, 0x64);
    } else if (wide && mhz >= 410 && mhz <= 525) {
        sx127x_write(REG_HIGH_BW_OPTIMIZE1, 0x02);
        sx127x_write(REG_HIGH_BW_OPTIMIZE2, 0x7F);
    } else {
        // Its reset value; RegHighBwOptimize2 then looks after itself.
        sx127x_write(REG_HIGH_BW_OPTIMIZE1, 0x03);
    }
}

uint16_t erratum_2_3_spurious_reception(const struct settings *settings)
{
    static const uint8_t if_freq2[] = {0x48, 0x44, 0x44, 0x44, 0x44, 0x44, 0x40, 0x40, 0x40};
    static const uint16_t offset_decahertz[] = {781, 1042, 1562, 2083, 3125, 4167};
    const uint8_t bandwidth = settings->bandwidth;
    if (bandwidth >= BANDWIDTH_500_KHZ) {
        sx127x_write(REG_DETECT_OPTIMIZE, DETECT_SF7_TO_12 | DETECT_AUTOMATIC_IF);
        return 0;
    }
    sx127x_write(REG_DETECT_OPTIMIZE, DETECT_SF7_TO_12);
    sx127x_write(REG_IF_FREQ2, if_freq2[bandwidth]);
    sx127x_write(REG_IF_FREQ1, 0x00);
    return bandwidth < 6 ? (uint16_t)(offset_decahertz[bandwidth] * 10U) : 0;
}
