// The board's main loop: bytes from the host to commands, commands to answers.
#include "frame.h"
#include "hal.h"
#include "listener.h"
#include "outbox.h"
#include "radio.h"
#include "sender.h"
#include "settings.h"
#include "statistics.h"
#include "wire.h"

enum { INBOX_SIZE = 128, INBOX_MASK = INBOX_SIZE - 1 };
static const uint32_t SECOND_US = 1000000;
static const uint16_t RESET_WAIT_US = 50000;
enum { VERSION_MAJOR = 1, VERSION_MINOR = 0, VERSION_PATCH = 0 };

static uint8_t inbox[INBOX_SIZE];
static volatile uint8_t inbox_head;
static volatile uint8_t inbox_tail;
static volatile uint8_t overruns;
static struct frame_decoder decoder;
static uint32_t second_us;
static uint32_t restart_us;
static bool restarting;

void station_byte(uint8_t byte)
{
    const uint8_t next = (uint8_t)(inbox_head + 1) & INBOX_MASK;
    if (next == inbox_tail) {
        station_overrun();
        return;
    }
    inbox[inbox_head] = byte;
    inbox_head = next;
}

void station_overrun(void)
{
    if (overruns < 0xFF) {
        overruns++;
    }
}

int16_t station_next_byte(void)
{
    return outbox_next();
}

static void put_info(void)
{
    static const char name[INFO_LENGTH - 18 + 1] = "lora-gateway board";
    outbox_put(FRAME_VERSION);
    outbox_put(VERSION_MAJOR);
    outbox_put(VERSION_MINOR);
    outbox_put(VERSION_PATCH);
    outbox_put(hal_board);
    outbox_put(radio_version());
    outbox_put16(FEATURE_HOP | FEATURE_SCAN);
    outbox_put(1);
    outbox_put(255);
    outbox_put16(TX_LEAD_US);
    outbox_put(COMMANDS_OPEN);
    outbox_put(hal_reset_cause());
    outbox_put32(hal_now_us());
    for (uint8_t i = 0; i < INFO_LENGTH - 18; i++) {
        outbox_put((uint8_t)name[i]);
    }
}

static void put_statistics(void)
{
    const uint32_t counters[] = {
        statistics.uptime_s,     statistics.rx_good,        statistics.rx_bad_crc,
        statistics.rx_dropped,   statistics.rx_missed,      statistics.tx_done,
        statistics.tx_late,      statistics.tx_failed,      statistics.host_frames,
        statistics.host_bad,     statistics.host_overrun,   statistics.radio_restarts,
        statistics.cad_runs,     statistics.cad_hits,
    };
    for (uint8_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        outbox_put32(counters[i]);
    }
    outbox_put16(hal_stack_free());
    outbox_put16(0);
}

static void answer_error(uint8_t type, uint8_t sequence, enum status status)
{
    outbox_begin(WIRE_ERROR, sequence);
    outbox_put(type);
    outbox_put((uint8_t)-status);
    outbox_end();
}

// Do the command; when it succeeds, put its answer's body between begin and end.
static enum status obey(uint8_t type, uint8_t sequence, const uint8_t *body, uint16_t length)
{
    struct settings settings;
    uint32_t at_us = 0;
    enum status status = STATUS_OK;
    switch (type) {
    case CMD_INFO:
    case CMD_STATISTICS:
    case CMD_RESET:
        status = length == 0 ? STATUS_OK : ERROR_LENGTH;
        break;
    case CMD_PING:
        status = length <= PING_MAX ? STATUS_OK : ERROR_LENGTH;
        break;
    case CMD_CONFIGURE:
        if (length != SETTINGS_LENGTH) {
            status = ERROR_LENGTH;
        } else if (!settings_read(&settings, body)) {
            status = ERROR_VALUE;
        } else {
            listener_configure(&settings);
        }
        break;
    case CMD_RECEIVE:
        status = listener_command(body, length);
        break;
    case CMD_TRANSMIT:
        status = sender_command(sequence, body, length, &at_us);
        break;
    case CMD_CANCEL:
        status = length == 1 ? sender_cancel(body[0]) : ERROR_LENGTH;
        break;
    default:
        status = ERROR_TYPE;
    }
    if (status != STATUS_OK) {
        return status;
    }
    outbox_begin((uint8_t)(type | WIRE_ANSWER), sequence);
    if (type == CMD_TRANSMIT) {
        outbox_put32(at_us);
    } else if (type == CMD_PING) {
        outbox_put32(hal_now_us());
        for (uint16_t i = 0; i < length; i++) {
            outbox_put(body[i]);
        }
    } else if (type == CMD_INFO) {
        put_info();
    } else if (type == CMD_STATISTICS) {
        put_statistics();
    }
    outbox_end();
    return STATUS_OK;
}

static void take_command(void)
{
    const uint8_t version = decoder.bytes[0];
    const uint8_t type = decoder.bytes[1];
    const uint8_t sequence = decoder.bytes[2];
    statistics.host_frames++;
    const enum status status =
        version == FRAME_VERSION
            ? obey(type, sequence, decoder.bytes + FRAME_HEAD,
                   (uint16_t)(decoder.length - FRAME_HEAD))
            : ERROR_VERSION;
    if (status != STATUS_OK) {
        answer_error(type, sequence, status);
    } else if (type == CMD_RESET) {
        restarting = true;
        restart_us = hal_now_us() + RESET_WAIT_US;
    }
}

// While the longest answer has no room, commands wait in the inbox; what overflows it is counted.
static void read_host(void)
{
    while (inbox_tail != inbox_head && outbox_has_room(STATISTICS_LENGTH, 0)) {
        const uint8_t byte = inbox[inbox_tail];
        inbox_tail = (uint8_t)(inbox_tail + 1) & INBOX_MASK;
        const enum frame_status status = frame_decoder_take(&decoder, byte);
        if (status == FRAME_BROKEN) {
            statistics.host_bad++;
        } else if (status == FRAME_READY) {
            take_command();
            return; // the radio comes first again
        }
    }
}

static void count_time(void)
{
    if ((int32_t)(hal_now_us() - second_us) >= 0) {
        second_us += SECOND_US;
        statistics.uptime_s++;
    }
    hal_critical_enter();
    statistics.host_overrun += overruns;
    overruns = 0;
    hal_critical_exit();
}

static void send_boot_event(void)
{
    if (event_begin(EVENT_BOOT, INFO_LENGTH)) {
        put_info();
        outbox_end();
    }
}

void station_start(void)
{
    inbox_head = inbox_tail = overruns = 0;
    statistics = (struct statistics){0};
    frame_decoder_reset(&decoder);
    outbox_reset();
    event_counter_reset();
    restarting = false;
    second_us = hal_now_us() + SECOND_US;
    sender_reset();
    (void)radio_start();
    listener_reset();
    send_boot_event();
}

static void sleep_if_idle(bool sender_has_radio)
{
    hal_critical_enter();
    if (inbox_head == inbox_tail && (sender_has_radio || !radio_has_edge())) {
        hal_sleep();
    }
    hal_critical_exit();
}

void station_step(void)
{
    hal_watchdog_feed();
    count_time();
    const bool sender_has_radio = sender_step();
    if (!sender_has_radio) {
        listener_step();
    }
    read_host();
    if (restarting && (outbox_is_empty() || (int32_t)(hal_now_us() - restart_us) >= 0)) {
        restart_us = hal_now_us();
        while (hal_now_us() - restart_us < 1000) { // let the last byte out
        }
        hal_restart();
    }
    sleep_if_idle(sender_has_radio);
}
