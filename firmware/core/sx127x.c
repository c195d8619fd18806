#include "sx127x.h"

#include "errata.h"
#include "hal.h"
#include "registers.h"

enum { RESET_LOW_US = 200, RESET_WAIT_US = 6000 }; // datasheet 7.2.2: 100 us, then 5 ms

static uint8_t band; // MODE_LOW_FREQUENCY below 525 MHz
static volatile uint8_t mode;

static void wait_us(uint32_t us)
{
    const uint32_t begin = hal_now_us();
    while (hal_now_us() - begin < us) {
    }
}

void sx127x_write(uint8_t address, uint8_t value)
{
    hal_radio_select(true);
    (void)hal_radio_exchange(address | SPI_WRITE);
    (void)hal_radio_exchange(value);
    hal_radio_select(false);
}

uint8_t sx127x_read(uint8_t address)
{
    hal_radio_select(true);
    (void)hal_radio_exchange(address);
    const uint8_t value = hal_radio_exchange(0);
    hal_radio_select(false);
    return value;
}

static void write16(uint8_t address, uint16_t value)
{
    sx127x_write(address, (uint8_t)(value >> 8));
    sx127x_write((uint8_t)(address + 1), (uint8_t)value);
}

static void enter(uint8_t new_mode)
{
    mode = (uint8_t)(MODE_LORA | band | new_mode);
    sx127x_write(REG_OP_MODE, mode);
}

uint8_t sx127x_start(void)
{
    hal_radio_reset(true);
    wait_us(RESET_LOW_US);
    hal_radio_reset(false);
    wait_us(RESET_WAIT_US);
    if (sx127x_read(REG_VERSION) != SX1276_VERSION) {
        return 0;
    }
    // The LoRa bit can be set in sleep only.
    sx127x_write(REG_OP_MODE, MODE_SLEEP);
    band = 0;
    enter(MODE_SLEEP);
    enter(MODE_STANDBY);
    write16(REG_FIFO_TX_BASE, 0); // both bases: all 256 bytes serve either way
    sx127x_write(REG_MAX_PAYLOAD, 0xFF);
    sx127x_write(REG_DETECTION_THRESHOLD, THRESHOLD_SF7_TO_12);
    return SX1276_VERSION;
}

void sx127x_standby(void)
{
    enter(MODE_STANDBY);
}

bool sx127x_is_sane(void)
{
    return sx127x_read(REG_OP_MODE) == mode && sx127x_read(REG_VERSION) == SX1276_VERSION;
}

static void tune(uint32_t frequency_hz)
{
    // Frf = Hz * 2^19 / 32 MHz = Hz * 256 / 15625, rounded, in 32 bits.
    const uint32_t whole = frequency_hz / 15625U;
    const uint32_t rest = frequency_hz % 15625U;
    const uint32_t frf = whole * 256U + (rest * 256U + 7812U) / 15625U;
    sx127x_write(REG_FRF_MSB, (uint8_t)(frf >> 16));
    write16(REG_FRF_MSB + 1, (uint16_t)frf);
}

static void set_modem(const struct settings *s)
{
    const uint8_t crc = s->flags & SETTINGS_CRC ? CONFIG2_CRC : 0;
    sx127x_write(REG_MODEM_CONFIG1,
                 (uint8_t)((uint8_t)(s->bandwidth << 4) | (uint8_t)((s->coding_rate - 4) << 1)));
    sx127x_write(REG_MODEM_CONFIG2, (uint8_t)((uint8_t)(s->spreading_factor << 4) | crc));
    sx127x_write(REG_MODEM_CONFIG3,
                 needs_low_data_rate(s) ? CONFIG3_LOW_DATA_RATE | CONFIG3_AGC : CONFIG3_AGC);
    write16(REG_PREAMBLE_MSB, s->preamble);
    sx127x_write(REG_SYNC_WORD, s->sync_word);
    erratum_2_1_wide_bandwidth(s);
}

// Both registers go together; their bits have opposite senses in the two directions.
static void set_iq(bool rx_inverted, bool tx_inverted)
{
    sx127x_write(REG_INVERT_IQ, (uint8_t)(INVERT_RESERVED | (rx_inverted ? INVERT_RX : 0) |
                                          (tx_inverted ? 0 : NOT_INVERT_TX)));
    sx127x_write(REG_INVERT_IQ2, rx_inverted || tx_inverted ? INVERT2_ON : INVERT2_OFF);
}

static bool is_low_frequency(uint32_t frequency_hz)
{
    return frequency_hz < 525000000;
}

static void stand_by_for(const struct settings *settings)
{
    band = is_low_frequency(settings->frequency_hz) ? MODE_LOW_FREQUENCY : 0;
    enter(MODE_STANDBY);
    set_modem(settings);
}

static void prepare_receiver(const struct settings *settings)
{
    stand_by_for(settings);
    const uint16_t offset_hz = erratum_2_3_spurious_reception(settings);
    tune(settings->frequency_hz + offset_hz);
    set_iq(settings->flags & SETTINGS_IQ_INVERTED, false);
    sx127x_write(REG_LNA, band ? LNA_MAX_GAIN : LNA_MAX_GAIN | LNA_BOOST_HF);
}

void sx127x_receive(const struct settings *settings)
{
    prepare_receiver(settings);
    sx127x_write(REG_DIO_MAPPING1, DIO0_RX_DONE);
    sx127x_clear_irq();
    enter(MODE_RX);
}

void sx127x_detect(const struct settings *settings)
{
    prepare_receiver(settings);
    sx127x_write(REG_DIO_MAPPING1, DIO0_CAD_DONE);
    sx127x_clear_irq();
    enter(MODE_CAD);
    mode = (uint8_t)(MODE_LORA | band | MODE_STANDBY); // where it goes by itself
}

struct sx127x_state sx127x_snapshot(void)
{
    uint8_t raw[REG_HOP_CHANNEL - REG_FIFO_RX_CURRENT + 1];
    hal_radio_select(true);
    (void)hal_radio_exchange(REG_FIFO_RX_CURRENT);
    for (uint8_t i = 0; i < sizeof raw; i++) {
        raw[i] = hal_radio_exchange(0);
    }
    hal_radio_select(false);
    const uint8_t *packets = &raw[REG_RX_PACKET_CNT - REG_FIFO_RX_CURRENT];
    return (struct sx127x_state){
        .fifo_at = raw[0],
        .irq = raw[REG_IRQ_FLAGS - REG_FIFO_RX_CURRENT],
        .length = raw[REG_RX_NB_BYTES - REG_FIFO_RX_CURRENT],
        .packets = (uint16_t)((uint16_t)((uint16_t)packets[0] << 8) | packets[1]),
        .modem = raw[REG_MODEM_STAT - REG_FIFO_RX_CURRENT],
        .snr_quarter_db = (int8_t)raw[REG_PKT_SNR - REG_FIFO_RX_CURRENT],
        .rssi = raw[REG_PKT_RSSI - REG_FIFO_RX_CURRENT],
        .hop = raw[REG_HOP_CHANNEL - REG_FIFO_RX_CURRENT],
    };
}

void sx127x_clear_irq(void)
{
    sx127x_write(REG_IRQ_FLAGS, 0xFF);
}

uint8_t sx127x_irq(void)
{
    return sx127x_read(REG_IRQ_FLAGS);
}

uint16_t sx127x_packet_count(void)
{
    const uint8_t high = sx127x_read(REG_RX_PACKET_CNT);
    return (uint16_t)((uint16_t)((uint16_t)high << 8) | sx127x_read(REG_RX_PACKET_CNT + 1));
}

int32_t sx127x_frequency_error_hz(uint8_t bandwidth)
{
    // Datasheet 4.1.5: value * 2^24 / 32 MHz * bandwidth / 500 kHz; 20 bits, signed.
    uint32_t raw = (uint32_t)(sx127x_read(REG_FEI_MSB) & 0x0F) << 16;
    raw |= (uint32_t)sx127x_read(REG_FEI_MSB + 1) << 8;
    raw |= sx127x_read(REG_FEI_MSB + 2);
    const int32_t value = raw & 0x80000U ? (int32_t)raw - 0x100000 : (int32_t)raw;
    // The factor times 4096: 2147 at 500 kHz, so the product stays within 31 bits.
    const int32_t factor = (int32_t)((bandwidth_hz(bandwidth) / 10U * 4295U + 50000U) / 100000U);
    return value * factor / 4096;
}

int16_t sx127x_rssi_quarter_dbm(const struct sx127x_state *state, uint32_t frequency_hz)
{
    const int16_t floor_dbm = is_low_frequency(frequency_hz) ? -164 : -157;
    if (state->snr_quarter_db < 0) {
        return (int16_t)(4 * (floor_dbm + state->rssi) + state->snr_quarter_db);
    }
    return (int16_t)(4 * floor_dbm + (64 * state->rssi + 7) / 15);
}

void sx127x_fifo_begin(uint8_t address)
{
    sx127x_write(REG_FIFO_ADDR_PTR, address);
    hal_radio_select(true);
    (void)hal_radio_exchange(REG_FIFO);
}

uint8_t sx127x_fifo_next(void)
{
    return hal_radio_exchange(0);
}

void sx127x_fifo_end(void)
{
    hal_radio_select(false);
}

static void set_power(int8_t dbm)
{
    const bool high = dbm > 17;
    sx127x_write(REG_PA_CONFIG, (uint8_t)(PA_BOOST | (high ? 15 : dbm - 2)));
    sx127x_write(REG_PA_DAC, high ? PA_DAC_20_DBM : PA_DAC_NORMAL);
    sx127x_write(REG_OCP, high ? OCP_140_MA : OCP_100_MA);
}

void sx127x_load(const struct settings *settings, const uint8_t *payload, uint8_t length)
{
    stand_by_for(settings);
    tune(settings->frequency_hz);
    set_iq(false, settings->flags & SETTINGS_IQ_INVERTED);
    set_power(settings->power_dbm);
    sx127x_write(REG_PAYLOAD_LENGTH, length);
    sx127x_write(REG_FIFO_ADDR_PTR, 0);
    hal_radio_select(true);
    (void)hal_radio_exchange(REG_FIFO | SPI_WRITE);
    for (uint8_t i = 0; i < length; i++) {
        (void)hal_radio_exchange(payload[i]);
    }
    hal_radio_select(false);
    sx127x_write(REG_DIO_MAPPING1, DIO0_TX_DONE);
    sx127x_clear_irq();
    enter(MODE_FSTX);
}

void sx127x_fire(void)
{
    enter(MODE_TX);
}
