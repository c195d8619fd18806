#include "sender.h"

#include "hal.h"
#include "listener.h"
#include "outbox.h"
#include "radio.h"
#include "registers.h"
#include "settings.h"
#include "statistics.h"
#include "sx127x.h"

enum {
    PREPARE_US = 6000,   // taken from the receiver before a transmission
    ARM_MARGIN_US = 100, // less than this ahead, an alarm could be missed
    OPTION_NOW = 1,
    PAYLOAD_AT = 5 + SETTINGS_LENGTH,
};
static const uint32_t DONE_MARGIN_US = 100000;
static const uint32_t AHEAD_MAX_US = 1800000000;
static const uint32_t AIRTIME_MAX_US = 600000000;

enum state {
    IDLE,
    WAITING, // kept in memory; the receiver goes on
    ARMED,   // in the radio; the alarm will fire it
    ON_AIR,
    TELLING, // over; the event waits for room on the line
};

static struct {
    volatile uint8_t state;
    volatile uint32_t started_us; // written by the alarm
    uint8_t sequence;
    uint8_t outcome;
    uint32_t at_us;
    uint32_t ended_us;
    uint32_t airtime_us;
    struct settings settings;
    uint8_t length;
    uint8_t payload[255];
} self;

void sender_reset(void)
{
    hal_alarm_off();
    self.state = IDLE;
}

static enum status check(const uint8_t *body, uint16_t length, struct settings *settings)
{
    if (length <= PAYLOAD_AT || length > PAYLOAD_AT + 255) {
        return ERROR_LENGTH;
    }
    if (body[4] > OPTION_NOW || !settings_read(settings, body + 5) ||
        airtime_us(settings, (uint8_t)(length - PAYLOAD_AT)) > AIRTIME_MAX_US) {
        return ERROR_VALUE;
    }
    return radio_version() == 0 ? ERROR_RADIO : STATUS_OK;
}

static bool is_in_time(uint32_t at_us)
{
    const uint32_t ahead = at_us - hal_now_us();
    return ahead >= TX_LEAD_US && ahead <= AHEAD_MAX_US;
}

static void keep(uint8_t sequence, const struct settings *settings, const uint8_t *body,
                 uint16_t length)
{
    self.sequence = sequence;
    self.settings = *settings;
    self.length = (uint8_t)(length - PAYLOAD_AT);
    for (uint8_t i = 0; i < self.length; i++) {
        self.payload[i] = body[PAYLOAD_AT + i];
    }
    self.airtime_us = airtime_us(settings, self.length);
}

enum status sender_command(uint8_t sequence, const uint8_t *body, uint16_t length,
                           uint32_t *at_us)
{
    struct settings settings;
    const enum status status = check(body, length, &settings);
    if (status != STATUS_OK) {
        return status;
    }
    if (self.state != IDLE) {
        *at_us = self.at_us;
        return self.state != TELLING && self.sequence == sequence ? STATUS_OK : ERROR_BUSY;
    }
    *at_us = body[4] & OPTION_NOW ? hal_now_us() + 2 * TX_LEAD_US : read32(body);
    if (!is_in_time(*at_us)) {
        return ERROR_TIME;
    }
    keep(sequence, &settings, body, length);
    self.at_us = *at_us;
    self.state = WAITING;
    return STATUS_OK;
}

enum status sender_cancel(uint8_t sequence)
{
    if (self.sequence != sequence) {
        return ERROR_NOTHING;
    }
    hal_critical_enter(); // the alarm may come at this very moment
    const uint8_t was = self.state;
    if (was == WAITING || was == ARMED) {
        hal_alarm_off();
        self.state = IDLE;
    }
    hal_critical_exit();
    if (was == ARMED) {
        listener_resume();
    }
    return was == WAITING || was == ARMED ? STATUS_OK : ERROR_NOTHING;
}

void station_alarm(void)
{
    if (self.state != ARMED) {
        return;
    }
    sx127x_fire();
    self.started_us = hal_now_us();
    self.state = ON_AIR;
}

static void finish(uint8_t outcome, uint32_t ended_us)
{
    self.outcome = outcome;
    self.ended_us = ended_us;
    if (outcome == TX_FAILED) {
        statistics.tx_failed++;
        radio_restart();
    } else if (outcome == TX_MISSED) {
        statistics.tx_late++;
        self.started_us = 0;
    } else {
        statistics.tx_done++;
    }
    self.state = TELLING;
    // Answers to a downlink may come at once: listen first, tell the host then.
    listener_resume();
}

static void arm(void)
{
    sx127x_load(&self.settings, self.payload, self.length);
    radio_forget_edge();
    hal_critical_enter();
    const uint32_t alarm_us = self.at_us - hal_alarm_lead_us;
    const bool in_time = (int32_t)(alarm_us - hal_now_us()) > ARM_MARGIN_US;
    if (in_time) {
        self.state = ARMED;
        hal_alarm(alarm_us);
    }
    hal_critical_exit();
    if (!in_time) {
        finish(TX_MISSED, 0);
    }
}

static void watch_air(void)
{
    uint32_t ended_us;
    if (radio_take_edge(&ended_us)) {
        sx127x_clear_irq();
        finish(TX_SENT, ended_us);
    } else if (hal_now_us() - self.started_us > self.airtime_us + DONE_MARGIN_US) {
        finish(TX_FAILED, 0);
    }
}

static void tell(void)
{
    if (!event_begin(EVENT_TRANSMITTED, TRANSMITTED_LENGTH)) {
        return;
    }
    outbox_put(self.sequence);
    outbox_put(self.outcome);
    outbox_put32(self.started_us);
    outbox_put32(self.ended_us);
    outbox_end();
    self.state = IDLE;
}

bool sender_step(void)
{
    switch (self.state) {
    case WAITING:
        if ((int32_t)(self.at_us - PREPARE_US - hal_now_us()) <= 0) {
            arm();
        }
        break;
    case ON_AIR:
        watch_air();
        break;
    case TELLING:
        tell();
        break;
    default:
        break;
    }
    return self.state == ARMED || self.state == ON_AIR;
}
