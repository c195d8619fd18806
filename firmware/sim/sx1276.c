#include "sx1276.h"

#include <string.h>

enum { SLEEP, STANDBY, FSTX, TX, FSRX, RX, RX_SINGLE, CAD };
enum { ON_ITS_WAY, LOCKED, HEADER_SEEN, UNHEARD }; // air_frame.stage; a free slot has end_ns 0
enum { TX_RAMP_FROM_STANDBY_NS = 100000 };         // oscillator and synthesizer, datasheet 2.5.3
static const uint64_t RESET_NS = 5000000;

static const uint32_t bandwidths_hz[10] = {7800,  10400, 15600,  20800,  31250,
                                           41700, 62500, 125000, 250000, 500000};

static uint8_t mode_of(const struct sx1276 *radio)
{
    return radio->regs[0x01] & 7;
}

static void violate(struct sx1276 *radio, const char *what, unsigned detail)
{
    radio->hooks->violation(radio->now_ns, what, detail);
}

static void reset_registers(struct sx1276 *radio)
{
    static const uint8_t defaults[][2] = {
        {0x01, 0x09}, {0x06, 0x6C}, {0x07, 0x80}, {0x09, 0x4F}, {0x0A, 0x09}, {0x0B, 0x2B},
        {0x0C, 0x20}, {0x0E, 0x80}, {0x1D, 0x72}, {0x1E, 0x70}, {0x1F, 0x64}, {0x21, 0x08},
        {0x22, 0x01}, {0x23, 0xFF}, {0x26, 0x04}, {0x2F, 0x20}, {0x31, 0xC3}, {0x33, 0x27},
        {0x36, 0x03}, {0x37, 0x0A}, {0x39, 0x12}, {0x3A, 0x64}, {0x3B, 0x1D}, {0x42, 0x12},
        {0x4D, 0x84},
    };
    memset(radio->regs, 0, sizeof radio->regs);
    for (unsigned i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        radio->regs[defaults[i][0]] = defaults[i][1];
    }
    radio->tx_start_ns = radio->tx_end_ns = radio->cad_end_ns = 0;
    radio->rx_at = 0;
    radio->session++;
}

static void update_dio0(struct sx1276 *radio)
{
    static const uint8_t flags[4] = {0x40, 0x08, 0x04, 0};
    const bool level = (radio->regs[0x12] & flags[radio->regs[0x40] >> 6]) != 0;
    if (level != radio->dio0) {
        radio->dio0 = level;
        radio->hooks->dio0(level);
    }
}

void sx1276_init(struct sx1276 *radio, const struct sx1276_hooks *hooks)
{
    memset(radio, 0, sizeof *radio);
    radio->hooks = hooks;
    reset_registers(radio);
}

void sx1276_brown_out(struct sx1276 *radio)
{
    reset_registers(radio);
    update_dio0(radio);
}

void sx1276_reset_pin(struct sx1276 *radio, bool low)
{
    if (radio->in_reset && !low) {
        reset_registers(radio);
        update_dio0(radio);
        radio->ready_ns = radio->now_ns + RESET_NS;
    }
    radio->in_reset = low;
}

// ---- What the registers say --------------------------------------------------------------------

static uint8_t sf_of(const struct sx1276 *radio)
{
    return radio->regs[0x1E] >> 4;
}

static uint32_t bandwidth_of(const struct sx1276 *radio)
{
    const uint8_t code = radio->regs[0x1D] >> 4;
    return code < 10 ? bandwidths_hz[code] : 125000;
}

static uint32_t tuned_hz(const struct sx1276 *radio)
{
    const uint64_t frf = (uint64_t)radio->regs[0x06] << 16 | (uint64_t)radio->regs[0x07] << 8 |
                         radio->regs[0x08];
    return (uint32_t)((frf * 32000000U + (1U << 18)) >> 19);
}

// Errata note 2.3: with the IF moved, the channel lies below the tuned frequency.
static uint32_t heard_hz(const struct sx1276 *radio)
{
    static const uint16_t offsets_hz[6] = {7810, 10420, 15620, 20830, 31250, 41670};
    const uint8_t code = radio->regs[0x1D] >> 4;
    return tuned_hz(radio) - (code < 6 ? offsets_hz[code] : 0U);
}

uint64_t lora_symbol_ns(uint8_t sf, uint32_t bandwidth_hz)
{
    return ((uint64_t)1 << sf) * 1000000000U / bandwidth_hz;
}

uint64_t lora_airtime_ns(uint8_t sf, uint32_t bandwidth_hz, uint8_t coding_rate,
                         uint16_t preamble, bool crc_on, uint8_t length)
{
    const uint64_t symbol = lora_symbol_ns(sf, bandwidth_hz);
    const int low_rate = symbol > 16000000U ? 2 : 0;
    const int bits = 8 * length - 4 * sf + 28 + (crc_on ? 16 : 0);
    const int per_group = 4 * (sf - low_rate);
    const uint64_t groups = bits > 0 ? (uint64_t)((bits + per_group - 1) / per_group) : 0;
    return (preamble + 8 + groups * coding_rate) * symbol + symbol * 17 / 4;
}

static bool is_listening(const struct sx1276 *radio)
{
    return mode_of(radio) == RX || mode_of(radio) == RX_SINGLE;
}

static bool is_on_my_channel(const struct sx1276 *radio, const struct air_frame *frame)
{
    const int64_t apart = (int64_t)heard_hz(radio) - frame->frequency_hz;
    return bandwidth_of(radio) == frame->bandwidth_hz && sf_of(radio) == frame->sf &&
           apart * apart < (int64_t)frame->bandwidth_hz * frame->bandwidth_hz / 16 &&
           ((radio->regs[0x33] & 0x40) != 0) == frame->iq_inverted;
}

// ---- Rules -------------------------------------------------------------------------------------

static void check_iq(struct sx1276 *radio, uint8_t mode)
{
    const bool inverted = mode == TX ? !(radio->regs[0x33] & 1) : (radio->regs[0x33] & 0x40) != 0;
    if (radio->regs[0x3B] != (inverted ? 0x19 : 0x1D) || (radio->regs[0x33] & 0x3E) != 0x26) {
        violate(radio, "iq-mismatch", radio->regs[0x33]);
    }
}

static void check_errata(struct sx1276 *radio, uint8_t mode)
{
    static const uint8_t if_freq2[9] = {0x48, 0x44, 0x44, 0x44, 0x44, 0x44, 0x40, 0x40, 0x40};
    const uint8_t code = radio->regs[0x1D] >> 4;
    const uint32_t mhz = tuned_hz(radio) / 1000000U;
    const bool high = mhz >= 862;
    const bool wide = code == 9 && (high || (mhz >= 410 && mhz <= 525));
    if (radio->regs[0x36] != (wide ? 0x02 : 0x03) ||
        (wide && radio->regs[0x3A] != (high ? 0x64 : 0x7F))) {
        violate(radio, "erratum-2.1", radio->regs[0x36]);
    }
    if (mode == TX) {
        return;
    }
    const bool automatic = radio->regs[0x31] & 0x80;
    if (automatic != (code == 9) ||
        (code < 9 && (radio->regs[0x2F] != if_freq2[code] || radio->regs[0x30] != 0))) {
        violate(radio, "erratum-2.3", radio->regs[0x31]);
    }
}

static void check_power(struct sx1276 *radio)
{
    const bool high = (radio->regs[0x4D] & 7) == 7;
    if (!(radio->regs[0x09] & 0x80)) {
        violate(radio, "power-not-at-pa-boost", radio->regs[0x09]);
    }
    if (high && (radio->regs[0x0B] & 0x1F) < 0x11) {
        violate(radio, "current-limit-too-low", radio->regs[0x0B]);
    }
}

static void check_modem(struct sx1276 *radio, uint8_t mode)
{
    const bool slow = lora_symbol_ns(sf_of(radio), bandwidth_of(radio)) > 16000000U;
    if (sf_of(radio) < 7 || sf_of(radio) > 12 || radio->regs[0x1D] >> 4 > 9) {
        violate(radio, "modem-config", radio->regs[0x1E]);
    }
    if (((radio->regs[0x26] & 0x08) != 0) != slow) {
        violate(radio, "ldro", radio->regs[0x26]);
    }
    if ((radio->regs[0x31] & 7) != 3 || radio->regs[0x37] != 0x0A) {
        violate(radio, "detection", radio->regs[0x31]);
    }
    if (((radio->regs[0x01] & 0x08) != 0) != (tuned_hz(radio) < 525000000U)) {
        violate(radio, "band-bit", radio->regs[0x01]);
    }
    check_iq(radio, mode);
    check_errata(radio, mode);
}

static void check_line(struct sx1276 *radio, uint8_t mode)
{
    const uint8_t want = mode == TX ? 1 : mode == CAD ? 2 : 0;
    if (radio->regs[0x40] >> 6 != want) {
        violate(radio, "dio-mapping", radio->regs[0x40]);
    }
    if (radio->dio0) {
        violate(radio, "irq-pending", radio->regs[0x12]); // no edge will come
    }
}

// ---- Modes -------------------------------------------------------------------------------------

static void begin_tx(struct sx1276 *radio, uint8_t from)
{
    const uint8_t length = radio->regs[0x22];
    check_modem(radio, TX);
    check_power(radio);
    check_line(radio, TX);
    if (length == 0) {
        violate(radio, "empty-payload", 0);
    }
    struct sent_frame sent = {
        .start_ns = radio->now_ns + (from == FSTX ? 0 : TX_RAMP_FROM_STANDBY_NS),
        .frequency_hz = tuned_hz(radio),
        .bandwidth_hz = bandwidth_of(radio),
        .preamble = (uint16_t)(radio->regs[0x20] << 8 | radio->regs[0x21]),
        .power_dbm = (int8_t)((radio->regs[0x09] & 15) + ((radio->regs[0x4D] & 7) == 7 ? 5 : 2)),
        .sf = sf_of(radio),
        .coding_rate = (uint8_t)(4 + (radio->regs[0x1D] >> 1 & 7)),
        .sync_word = radio->regs[0x39],
        .iq_inverted = !(radio->regs[0x33] & 1),
        .crc_on = (radio->regs[0x1E] & 4) != 0,
        .length = length,
    };
    sent.airtime_ns = lora_airtime_ns(sent.sf, sent.bandwidth_hz, sent.coding_rate, sent.preamble,
                                      sent.crc_on, length);
    for (unsigned i = 0; i < length; i++) {
        sent.payload[i] = radio->fifo[(uint8_t)(radio->regs[0x0E] + i)];
    }
    radio->tx_start_ns = sent.start_ns;
    radio->tx_end_ns = sent.start_ns + sent.airtime_ns;
    radio->hooks->sent(&sent);
}

static void begin_cad(struct sx1276 *radio)
{
    check_modem(radio, CAD);
    check_line(radio, CAD);
    radio->cad_end_ns = radio->now_ns + 2 * lora_symbol_ns(sf_of(radio), bandwidth_of(radio));
}

static void begin_rx(struct sx1276 *radio)
{
    check_modem(radio, RX);
    check_line(radio, RX);
    radio->rx_at = radio->regs[0x0F];
    radio->regs[0x16] = radio->regs[0x17] = 0;
}

static void write_mode(struct sx1276 *radio, uint8_t value)
{
    const uint8_t from = mode_of(radio);
    const uint8_t to = value & 7;
    if ((value ^ radio->regs[0x01]) & 0x80 && from != SLEEP) {
        violate(radio, "lora-bit-outside-sleep", value);
        value = (uint8_t)(value ^ 0x80);
    }
    if (from == TX && to != TX && radio->tx_end_ns != 0) {
        violate(radio, "transmission-cut", to);
    }
    radio->regs[0x01] = value;
    if (!(value & 0x80) && to > STANDBY) {
        violate(radio, "not-lora", value);
    }
    radio->session++;
    radio->tx_end_ns = radio->cad_end_ns = 0;
    if (to == TX) {
        begin_tx(radio, from);
    } else if (to == CAD) {
        begin_cad(radio);
    } else if (to == RX || to == RX_SINGLE) {
        begin_rx(radio);
    }
}

// ---- SPI ---------------------------------------------------------------------------------------

void sx1276_select(struct sx1276 *radio, bool selected)
{
    if (selected == radio->selected) {
        violate(radio, selected ? "spi-nested" : "spi-not-selected", 0);
    }
    if (!selected && radio->selected && radio->first) {
        violate(radio, "spi-empty", 0);
    }
    radio->selected = selected;
    radio->first = true;
}

static bool may_change_any_time(uint8_t address)
{
    return address == 0x00 || address == 0x01 || address == 0x0D || address == 0x12 ||
           address == 0x40;
}

static bool is_read_only(uint8_t address)
{
    return address == 0x10 || (address >= 0x13 && address <= 0x1C) || address == 0x25 ||
           (address >= 0x28 && address <= 0x2C) || address == 0x42;
}

static void write_register(struct sx1276 *radio, uint8_t address, uint8_t value)
{
    const uint8_t mode = mode_of(radio);
    if (is_read_only(address)) {
        violate(radio, "write-to-read-only", address);
        return;
    }
    if (mode > STANDBY && !may_change_any_time(address)) {
        violate(radio, "configuration-while-active", address);
    }
    if (address == 0x01) {
        write_mode(radio, value);
        return;
    }
    if (address == 0x12) {
        radio->regs[0x12] &= (uint8_t)~value;
    } else {
        radio->regs[address] = value;
    }
    update_dio0(radio);
}

static uint8_t use_fifo(struct sx1276 *radio, uint8_t in)
{
    const uint8_t mode = mode_of(radio);
    if (mode == SLEEP) {
        violate(radio, "fifo-in-sleep", 0);
        return 0;
    }
    if (radio->write && mode != STANDBY) {
        violate(radio, "fifo-write-while-active", mode);
    }
    const uint8_t at = radio->regs[0x0D]++;
    const uint8_t out = radio->fifo[at];
    if (radio->write) {
        radio->fifo[at] = in;
    }
    return out;
}

uint8_t sx1276_exchange(struct sx1276 *radio, uint8_t in)
{
    if (!radio->selected) {
        violate(radio, "spi-not-selected", in);
        return 0;
    }
    if (radio->in_reset || radio->now_ns < radio->ready_ns) {
        violate(radio, "spi-in-reset", in);
        return 0;
    }
    if (radio->first) {
        radio->first = false;
        radio->address = in & 0x7F;
        radio->write = in & 0x80;
        return 0;
    }
    if (radio->address == 0) {
        return use_fifo(radio, in);
    }
    const uint8_t address = radio->address;
    const uint8_t out = radio->regs[address];
    radio->address = (address + 1) & 0x7F;
    if (radio->write) {
        write_register(radio, address, in);
    }
    return out;
}

// ---- Air ---------------------------------------------------------------------------------------

bool sx1276_inject(struct sx1276 *radio, const struct air_frame *frame)
{
    for (unsigned i = 0; i < AIR_FRAMES; i++) {
        if (radio->frames[i].end_ns == 0) {
            radio->frames[i] = *frame;
            radio->frames[i].stage = ON_ITS_WAY;
            radio->in_air++;
            return true;
        }
    }
    return false;
}

static bool is_receiving(const struct sx1276 *radio)
{
    for (unsigned i = 0; i < AIR_FRAMES; i++) {
        const struct air_frame *frame = &radio->frames[i];
        if (frame->end_ns && frame->session == radio->session &&
            (frame->stage == LOCKED || frame->stage == HEADER_SEEN)) {
            return true;
        }
    }
    return false;
}

static void lock(struct sx1276 *radio, struct air_frame *frame)
{
    const bool heard = is_listening(radio) && is_on_my_channel(radio, frame) &&
                       radio->regs[0x39] == frame->sync_word && !is_receiving(radio);
    frame->stage = heard ? LOCKED : UNHEARD;
    frame->session = radio->session;
    if (heard) {
        radio->regs[0x18] |= 0x03;
    }
}

static void see_header(struct sx1276 *radio, struct air_frame *frame)
{
    frame->stage = HEADER_SEEN;
    if (frame->session == radio->session) {
        radio->regs[0x18] |= 0x08;
        radio->regs[0x12] |= 0x10;
    }
}

static void store_frame(struct sx1276 *radio, const struct air_frame *frame)
{
    uint8_t *regs = radio->regs;
    regs[0x10] = radio->rx_at;
    for (unsigned i = 0; i < frame->length; i++) {
        radio->fifo[radio->rx_at++] = frame->payload[i];
    }
    regs[0x25] = radio->rx_at;
    regs[0x13] = frame->length;
    regs[0x18] = (uint8_t)((frame->coding_rate - 4) << 5);
    regs[0x1C] = (uint8_t)((regs[0x1C] & 0x3F) | (frame->crc_on ? 0x40 : 0));
    regs[0x19] = (uint8_t)frame->snr_quarter_db;
    const int floor_dbm = tuned_hz(radio) < 525000000U ? -164 : -157;
    const int above = frame->rssi_dbm - floor_dbm;
    const int raw = frame->snr_quarter_db < 0 ? above - frame->snr_quarter_db / 4
                                              : (above * 15 + 8) / 16;
    regs[0x1A] = (uint8_t)(raw < 0 ? 0 : raw > 255 ? 255 : raw);
    const int64_t error = (int64_t)frame->error_hz * 1000000 * 1000000 / 1048576 /
                          (int64_t)frame->bandwidth_hz;
    regs[0x28] = (uint8_t)((uint64_t)error >> 16 & 0x0F);
    regs[0x29] = (uint8_t)((uint64_t)error >> 8);
    regs[0x2A] = (uint8_t)error;
}

static void end_frame(struct sx1276 *radio, struct air_frame *frame)
{
    const bool taken = frame->stage == HEADER_SEEN && frame->session == radio->session;
    if (taken) {
        const bool bad = frame->crc_on && !frame->crc_ok;
        store_frame(radio, frame);
        radio->regs[0x12] |= (uint8_t)(0x40 | (bad ? 0x20 : 0));
        if (!bad) {
            const unsigned count = (unsigned)(radio->regs[0x16] << 8 | radio->regs[0x17]) + 1U;
            radio->regs[0x16] = (uint8_t)(count >> 8);
            radio->regs[0x17] = (uint8_t)count;
        }
        update_dio0(radio);
    }
    radio->hooks->heard(frame, taken);
    frame->end_ns = 0;
    radio->in_air--;
}

static uint64_t due_ns(const struct air_frame *frame)
{
    switch (frame->stage) {
    case ON_ITS_WAY:
        return frame->lock_ns;
    case LOCKED:
        return frame->header_ns;
    default:
        return frame->end_ns;
    }
}

static void end_cad(struct sx1276 *radio)
{
    for (unsigned i = 0; i < AIR_FRAMES; i++) {
        const struct air_frame *frame = &radio->frames[i];
        const uint64_t symbol = lora_symbol_ns(sf_of(radio), bandwidth_of(radio));
        if (frame->end_ns && frame->start_ns + 2 * symbol <= radio->cad_end_ns &&
            radio->cad_end_ns <= frame->start_ns + frame->preamble * symbol &&
            is_on_my_channel(radio, frame)) {
            radio->regs[0x12] |= 0x01;
        }
    }
    radio->cad_end_ns = 0;
    radio->regs[0x01] = (uint8_t)((radio->regs[0x01] & ~7) | STANDBY);
    radio->regs[0x12] |= 0x04;
    update_dio0(radio);
}

static void end_tx(struct sx1276 *radio)
{
    radio->tx_end_ns = 0;
    radio->regs[0x01] = (uint8_t)((radio->regs[0x01] & ~7) | STANDBY);
    if (!radio->mute_tx_done) {
        radio->regs[0x12] |= 0x08;
        update_dio0(radio);
    }
}

uint64_t sx1276_next_ns(const struct sx1276 *radio, uint64_t limit_ns)
{
    uint64_t next = limit_ns;
    for (unsigned i = 0; radio->in_air != 0 && i < AIR_FRAMES; i++) {
        if (radio->frames[i].end_ns && due_ns(&radio->frames[i]) < next) {
            next = due_ns(&radio->frames[i]);
        }
    }
    if (radio->tx_end_ns && radio->tx_end_ns < next) {
        next = radio->tx_end_ns;
    }
    return radio->cad_end_ns && radio->cad_end_ns < next ? radio->cad_end_ns : next;
}

static void step_frame(struct sx1276 *radio, struct air_frame *frame)
{
    if (frame->stage == ON_ITS_WAY) {
        lock(radio, frame);
    } else if (frame->stage == LOCKED) {
        see_header(radio, frame);
    } else {
        end_frame(radio, frame);
    }
}

void sx1276_advance(struct sx1276 *radio, uint64_t now_ns)
{
    for (;;) {
        const uint64_t at = sx1276_next_ns(radio, now_ns + 1);
        if (at > now_ns) {
            break;
        }
        radio->now_ns = at > radio->now_ns ? at : radio->now_ns;
        if (radio->tx_end_ns == at) {
            end_tx(radio);
        } else if (radio->cad_end_ns == at) {
            end_cad(radio);
        } else {
            for (unsigned i = 0; i < AIR_FRAMES; i++) {
                if (radio->frames[i].end_ns && due_ns(&radio->frames[i]) == at) {
                    step_frame(radio, &radio->frames[i]);
                    break;
                }
            }
        }
    }
    radio->now_ns = now_ns;
}
