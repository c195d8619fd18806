#include "bench.h"

#include "json.h"
#include "machine.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE = 8192, HOST_BYTES = 512 };

static const struct bench_hooks *hooks;
static uint8_t host_bytes[HOST_BYTES];
static uint64_t host_at_ns[HOST_BYTES];
static size_t host_count;

static double to_us(uint64_t ns)
{
    return (double)ns / 1000.0;
}

static void say(const char *format, ...)
{
    char line[LINE];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    hooks->say(line, (size_t)length);
}

static const char *hex(const uint8_t *bytes, size_t length)
{
    static char text[2 * HOST_BYTES + 1];
    for (size_t i = 0; i < length; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    text[2 * length] = '\0';
    return text;
}

void bench_flush(void)
{
    if (host_count != 0) {
        say("{\"event\":\"host\",\"t_us\":%.3f,\"hex\":\"%s\"}\n",
            to_us(host_at_ns[host_count - 1]), hex(host_bytes, host_count));
        host_count = 0;
    }
}

static void host_byte(uint64_t at_ns, uint8_t byte)
{
    if (hooks->host_byte != NULL) {
        hooks->host_byte(at_ns, byte);
        return;
    }
    host_at_ns[host_count] = at_ns;
    host_bytes[host_count++] = byte;
    if (byte == 0 || host_count == HOST_BYTES) {
        bench_flush();
    }
}

static void overrun(uint64_t at_ns)
{
    say("{\"event\":\"overrun\",\"t_us\":%.3f}\n", to_us(at_ns));
}

static void was_reset(uint64_t at_ns)
{
    say("{\"event\":\"reset\",\"t_us\":%.3f}\n", to_us(at_ns));
}

static void dio0(bool level)
{
    (void)level;
}

static const char *word(bool value)
{
    return value ? "true" : "false";
}

static void sent(const struct sent_frame *f)
{
    say("{\"event\":\"tx\",\"t_us\":%.3f,\"airtime_us\":%.3f,\"freq\":%" PRIu32
        ",\"sf\":%d,\"bw\":%" PRIu32 ",\"cr\":%d,\"power\":%d,\"iq\":%s,\"crc\":%s,"
        "\"sync\":%d,\"preamble\":%d,\"payload\":\"%s\"}\n",
        to_us(f->start_ns), to_us(f->airtime_ns), f->frequency_hz, f->sf, f->bandwidth_hz,
        f->coding_rate, f->power_dbm, word(f->iq_inverted), word(f->crc_on), f->sync_word,
        f->preamble, hex(f->payload, f->length));
}

static void heard(const struct air_frame *f, bool taken)
{
    say("{\"event\":\"aired\",\"t_us\":%.3f,\"heard\":%s}\n", to_us(f->end_ns), word(taken));
}

static void violation(uint64_t at_ns, const char *what, unsigned detail)
{
    say("{\"event\":\"violation\",\"t_us\":%.3f,\"what\":\"%s\",\"detail\":%u}\n", to_us(at_ns),
        what, detail);
}

static const struct sx1276_hooks radio_hooks = {dio0, sent, heard, violation};
static const struct machine_hooks machine_hooks = {host_byte, overrun, was_reset};

// Set the times of a frame: `t_us` is its end; without it, it starts now. With `airtime_us` it is as
// short as one likes, for more frames a second than the air could carry.
static void time_frame(struct air_frame *f, const char *line)
{
    const uint64_t symbol = lora_symbol_ns(f->sf, f->bandwidth_hz);
    const double asked_us = json_number(line, "airtime_us", -1);
    const double end_us = json_number(line, "t_us", -1);
    const uint64_t airtime =
        asked_us >= 0 ? (uint64_t)(asked_us * 1000)
                      : lora_airtime_ns(f->sf, f->bandwidth_hz, f->coding_rate, f->preamble,
                                        f->crc_on, f->length);
    const uint64_t now = machine_now_ns();
    f->end_ns = end_us >= 0 ? (uint64_t)(end_us * 1000 + 0.5) : now + airtime;
    f->start_ns = f->end_ns > airtime ? f->end_ns - airtime : 0;
    f->lock_ns = f->header_ns = f->start_ns;
    if (asked_us < 0) {
        f->lock_ns += (f->preamble - 5U) * symbol;
        f->header_ns += (f->preamble + 12U) * symbol;
    }
}

static void inject(const char *line)
{
    struct air_frame f = {0};
    const int length = json_hex(line, "payload", f.payload, sizeof f.payload);
    f.frequency_hz = (uint32_t)json_number(line, "freq", 868100000);
    f.bandwidth_hz = (uint32_t)json_number(line, "bw", 125000);
    f.sf = (uint8_t)json_number(line, "sf", 7);
    f.coding_rate = (uint8_t)json_number(line, "cr", 5);
    f.sync_word = (uint8_t)json_number(line, "sync", 0x34);
    f.preamble = (uint16_t)json_number(line, "preamble", 8);
    f.iq_inverted = json_flag(line, "iq", false);
    f.crc_on = json_flag(line, "crc", true);
    f.crc_ok = json_flag(line, "crc_ok", true);
    f.rssi_dbm = (int16_t)json_number(line, "rssi", -80);
    const double snr = json_number(line, "snr", 9) * 4;
    f.snr_quarter_db = (int8_t)(snr < -128 ? -128 : snr > 127 ? 127 : snr);
    f.error_hz = (int32_t)json_number(line, "freq_error", 0);
    f.length = (uint8_t)(length < 0 ? 0 : length);
    time_frame(&f, line);
    if (length < 0 || f.sf < 6 || f.sf > 12 || f.bandwidth_hz < 7800 || f.preamble < 6 ||
        f.end_ns == 0 || !sx1276_inject(&machine_radio, &f)) {
        say("{\"event\":\"refused\",\"line\":\"inject\"}\n");
    }
}

static void send_to_board(const char *line)
{
    uint8_t bytes[LINE / 2];
    const int length = json_hex(line, "hex", bytes, sizeof bytes);
    if (length < 0 || !machine_send(bytes, (size_t)length)) {
        say("{\"event\":\"refused\",\"line\":\"host\"}\n");
    }
}

static void run(const char *line)
{
    const double until_us = json_number(line, "until_us", -1);
    const double us = json_number(line, "us", 0);
    machine_run_until(until_us >= 0 ? (uint64_t)(until_us * 1000)
                                    : machine_now_ns() + (uint64_t)(us * 1000));
    bench_flush();
    say("{\"event\":\"ran\",\"t_us\":%.3f}\n", to_us(machine_now_ns()));
}

void bench_command(const char *line)
{
    char command[24] = "inject"; // a line without a command is a frame on the air
    (void)json_text(line, "cmd", command, sizeof command);
    if (strcmp(command, "inject") == 0) {
        inject(line);
    } else if (strcmp(command, "run") == 0) {
        run(line);
    } else if (strcmp(command, "host") == 0) {
        send_to_board(line);
    } else if (strcmp(command, "reset") == 0) {
        machine_reset();
    } else if (strcmp(command, "brown_out") == 0) {
        sx1276_brown_out(&machine_radio);
    } else if (strcmp(command, "stick_spi") == 0) {
        machine_stick_spi();
    } else if (strcmp(command, "mute_tx_done") == 0) {
        machine_radio.mute_tx_done = json_flag(line, "on", true);
    } else {
        say("{\"event\":\"refused\",\"line\":\"%s\"}\n", command);
    }
}

bool bench_start(const char *image, uint32_t baud, const struct bench_hooks *bench_hooks)
{
    hooks = bench_hooks;
    return machine_start(image, &radio_hooks, &machine_hooks, baud);
}
