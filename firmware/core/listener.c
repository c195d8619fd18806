#include "listener.h"

#include "hal.h"
#include "outbox.h"
#include "radio.h"
#include "registers.h"
#include "statistics.h"
#include "sx127x.h"

enum { OPTION_REPORT_BAD = 1 };
enum { POSTPONE_US = 5000, DWELL_MIN_MS = 10 };
static const uint16_t DWELL_MAX_MS = 60000;
static const uint32_t CHECK_US = 1000000;

static struct {
    struct settings asked; // by configure
    struct settings now;   // on the radio: asked, but for hopping and scanning
    bool configured;
    bool stale; // what the radio does is not what was asked for
    uint8_t mode;
    uint8_t options;
    uint16_t dwell_ms;
    uint8_t hops;
    uint8_t hop;
    uint32_t frequencies_hz[HOP_MAX];
    uint8_t mask;
    bool detecting;
    bool extended;
    uint16_t packets; // the radio's counter when last read
    uint32_t turn_us; // when to hop, or to give up a preamble
    uint32_t check_us;
} self;

static bool is_due(uint32_t at_us)
{
    return (int32_t)(hal_now_us() - at_us) >= 0;
}

void listener_reset(void)
{
    self.configured = false;
    self.stale = false;
    self.mode = MODE_LISTEN_OFF;
    self.check_us = hal_now_us() + CHECK_US;
}

void listener_configure(const struct settings *settings)
{
    self.asked = *settings;
    self.configured = true;
    self.stale = self.mode != MODE_LISTEN_OFF;
}

static enum status read_hops(const uint8_t *body, uint16_t length)
{
    if (length < 5) {
        return ERROR_LENGTH;
    }
    const uint16_t dwell_ms = read16(body + 2);
    const uint8_t count = body[4];
    if (dwell_ms < DWELL_MIN_MS || dwell_ms > DWELL_MAX_MS || count == 0 || count > HOP_MAX) {
        return ERROR_VALUE;
    }
    if (length != 5U + 4U * count) {
        return ERROR_LENGTH;
    }
    for (uint8_t i = 0; i < count; i++) {
        if (!frequency_is_valid(read32(body + 5 + 4 * i))) {
            return ERROR_VALUE;
        }
    }
    for (uint8_t i = 0; i < count; i++) {
        self.frequencies_hz[i] = read32(body + 5 + 4 * i);
    }
    self.dwell_ms = dwell_ms;
    self.hops = count;
    self.hop = 0;
    return STATUS_OK;
}

static enum status read_mask(const uint8_t *body, uint16_t length)
{
    if (length != 3) {
        return ERROR_LENGTH;
    }
    if (body[2] == 0 || body[2] > 0x3F) {
        return ERROR_VALUE;
    }
    self.mask = body[2];
    return STATUS_OK;
}

static enum status read_mode(const uint8_t *body, uint16_t length)
{
    switch (body[0]) {
    case MODE_LISTEN_OFF:
    case MODE_LISTEN_FIXED:
        return length == 2 ? STATUS_OK : ERROR_LENGTH;
    case MODE_LISTEN_HOP:
        return read_hops(body, length);
    case MODE_LISTEN_SCAN:
        return read_mask(body, length);
    default:
        return ERROR_VALUE;
    }
}

enum status listener_command(const uint8_t *body, uint16_t length)
{
    if (length < 2) {
        return ERROR_LENGTH;
    }
    if (body[1] > OPTION_REPORT_BAD) {
        return ERROR_VALUE;
    }
    if (!self.configured) {
        return ERROR_NOT_CONFIGURED;
    }
    if (radio_version() == 0) {
        return ERROR_RADIO;
    }
    const enum status status = read_mode(body, length);
    if (status == STATUS_OK) {
        self.mode = body[0];
        self.options = body[1];
        self.stale = true;
    }
    return status;
}

static void listen(void)
{
    radio_forget_edge();
    sx127x_receive(&self.now);
    // Not 0 on every chip: Semtech's errata note of the SX1272, section 2.3, tells of an offset.
    self.packets = sx127x_packet_count();
    self.detecting = false;
}

static void next_hop(void)
{
    self.now.frequency_hz = self.frequencies_hz[self.hop];
    self.hop = (uint8_t)((self.hop + 1) % self.hops);
    listen();
    self.turn_us = hal_now_us() + (uint32_t)self.dwell_ms * 1000U;
}

static void next_scan(void)
{
    do {
        self.now.spreading_factor =
            (uint8_t)(self.now.spreading_factor >= 12 ? 7 : self.now.spreading_factor + 1);
    } while (!(self.mask & (1U << (self.now.spreading_factor - 7))));
    statistics.cad_runs++;
    radio_forget_edge();
    sx127x_detect(&self.now);
    self.detecting = true;
    self.turn_us = hal_now_us() + 4 * symbol_us(&self.now) + POSTPONE_US;
}

void listener_resume(void)
{
    self.stale = false;
    self.detecting = false;
    self.now = self.asked;
    switch (self.mode) {
    case MODE_LISTEN_FIXED:
        listen();
        break;
    case MODE_LISTEN_HOP:
        next_hop();
        break;
    case MODE_LISTEN_SCAN:
        next_scan();
        break;
    default:
        sx127x_standby();
        radio_forget_edge();
    }
}

static uint8_t crc_of(const struct sx127x_state *state)
{
    if (!(state->hop & HOP_CRC_ON)) {
        return CRC_ABSENT;
    }
    return state->irq & IRQ_CRC_ERROR ? CRC_WRONG : CRC_GOOD;
}

// The chip counts every valid frame: what it counted and we did not see was overwritten.
static void count_missed(const struct sx127x_state *state, uint8_t crc)
{
    const uint16_t expected = (uint16_t)(self.packets + (crc == CRC_WRONG ? 0 : 1));
    const int16_t missed = (int16_t)(uint16_t)(state->packets - expected);
    if (missed > 0) {
        statistics.rx_missed += (uint16_t)missed;
    }
    self.packets = state->packets;
}

static void put_head(const struct sx127x_state *state, uint32_t at_us, uint8_t crc)
{
    outbox_put32(at_us);
    outbox_put32(self.now.frequency_hz);
    outbox_put32((uint32_t)sx127x_frequency_error_hz(self.now.bandwidth));
    outbox_put16((uint16_t)sx127x_rssi_quarter_dbm(state, self.now.frequency_hz));
    outbox_put((uint8_t)state->snr_quarter_db);
    outbox_put(self.now.spreading_factor);
    outbox_put(self.now.bandwidth);
    outbox_put((uint8_t)(4 + (state->modem >> 5)));
    outbox_put(crc);
    outbox_put(self.now.flags & SETTINGS_IQ_INVERTED);
    outbox_put16((uint16_t)(statistics.rx_dropped + statistics.rx_missed));
}

static void hand_up(const struct sx127x_state *state, uint32_t at_us, uint8_t crc)
{
    if (!event_begin(EVENT_RECEIVED, (uint16_t)(RECEIVED_HEAD + state->length))) {
        statistics.rx_dropped++;
        return;
    }
    put_head(state, at_us, crc);
    sx127x_fifo_begin(state->fifo_at);
    for (uint8_t i = 0; i < state->length; i++) {
        outbox_put(sx127x_fifo_next());
    }
    sx127x_fifo_end();
    outbox_end();
    if (crc != CRC_WRONG) {
        statistics.rx_good++;
    }
}

static void take_frame(uint32_t at_us)
{
    const struct sx127x_state state = sx127x_snapshot();
    sx127x_clear_irq();
    if (!(state.irq & IRQ_RX_DONE)) {
        return;
    }
    const uint8_t crc = crc_of(&state);
    count_missed(&state, crc);
    if (crc == CRC_WRONG) {
        statistics.rx_bad_crc++;
    }
    if (crc != CRC_WRONG || self.options & OPTION_REPORT_BAD) {
        hand_up(&state, at_us, crc);
    }
    if (self.mode == MODE_LISTEN_SCAN) {
        next_scan();
    }
}

static void take_detection(void)
{
    if (!(sx127x_irq() & IRQ_CAD_DETECTED)) {
        next_scan();
        return;
    }
    statistics.cad_hits++;
    listen();
    self.extended = false;
    // The rest of the preamble, the sync word and the header.
    self.turn_us = hal_now_us() + (self.now.preamble + 20U) * symbol_us(&self.now);
}

static void take_turn(void)
{
    if (self.mode == MODE_LISTEN_SCAN) {
        if (!self.detecting && !self.extended && (sx127x_irq() & IRQ_VALID_HEADER)) {
            self.extended = true; // a frame is coming in: wait for the longest
            self.turn_us = hal_now_us() + airtime_us(&self.now, 255);
            return;
        }
        next_scan();
        return;
    }
    const uint8_t busy = STAT_SIGNAL | STAT_SYNCHRONIZED | STAT_HEADER;
    if (sx127x_read(REG_MODEM_STAT) & busy) {
        self.turn_us = hal_now_us() + POSTPONE_US;
        return;
    }
    if (self.hops > 1) {
        next_hop();
    } else {
        self.turn_us = hal_now_us() + (uint32_t)self.dwell_ms * 1000U;
    }
}

// Once a second: a brown-out of the radio alone, or a lost edge, would leave us deaf for ever.
static void look_after_radio(void)
{
    self.check_us = hal_now_us() + CHECK_US;
    if (radio_version() == 0 || (self.mode != MODE_LISTEN_OFF && !sx127x_is_sane())) {
        radio_restart();
        listener_resume();
        return;
    }
    if (self.mode == MODE_LISTEN_OFF || self.detecting) {
        return;
    }
    if ((sx127x_irq() & IRQ_RX_DONE) && !radio_has_edge()) {
        statistics.rx_missed++;
        self.packets = sx127x_packet_count();
        sx127x_clear_irq();
    }
}

static bool has_turns(void)
{
    return self.mode == MODE_LISTEN_HOP || self.mode == MODE_LISTEN_SCAN;
}

void listener_step(void)
{
    uint32_t at_us;
    if (self.stale) {
        listener_resume();
    } else if (radio_take_edge(&at_us)) {
        if (self.mode == MODE_LISTEN_OFF) {
            return;
        }
        if (self.detecting) {
            take_detection();
        } else {
            take_frame(at_us);
        }
    } else if (has_turns() && is_due(self.turn_us)) {
        take_turn();
    } else if (is_due(self.check_us)) {
        look_after_radio();
    }
}
