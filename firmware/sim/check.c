// The core against the golden frames and the radio model, as one program: run here under sanitizers
// and on a Cortex-M3 in QEMU. Argument: tests/vectors/firmware/frames.json, one object a line.
#include "../core/frame.h"
#include "../core/outbox.h"
#include "../core/wire.h"
#include "bench.h"
#include "json.h"
#include "machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 4096, WIRE = 1024 };

static unsigned failures;
static unsigned checks;

static void expect(bool good, const char *what)
{
    checks++;
    if (!good) {
        failures++;
        printf("FAILED: %s\n", what);
    }
}

// ---- What the board sends, collected -----------------------------------------------------------

static uint8_t wire[WIRE];
static size_t wire_length;
static struct sent_frame last_sent;
static unsigned violations;

static void host_byte(uint64_t at_ns, uint8_t byte)
{
    (void)at_ns;
    if (wire_length < WIRE) {
        wire[wire_length++] = byte;
    }
}

static void nothing(uint64_t at_ns)
{
    (void)at_ns;
}

static void dio0(bool level)
{
    (void)level;
}

static void sent(const struct sent_frame *frame)
{
    last_sent = *frame;
}

static void heard(const struct air_frame *frame, bool taken)
{
    (void)frame;
    (void)taken;
}

static void violation(uint64_t at_ns, const char *what, unsigned detail)
{
    violations++;
    printf("violation at %lu us: %s (%u)\n", (unsigned long)(at_ns / 1000U), what, detail);
}

static const struct sx1276_hooks radio_hooks = {dio0, sent, heard, violation};
static const struct machine_hooks machine_hooks = {host_byte, nothing, nothing};

// ---- Golden frames -----------------------------------------------------------------------------

static bool decodes_to(const uint8_t *bytes, size_t length, const uint8_t *frame, size_t want)
{
    static struct frame_decoder decoder;
    frame_decoder_reset(&decoder);
    for (size_t i = 0; i + 1 < length; i++) {
        if (frame_decoder_take(&decoder, bytes[i]) != FRAME_MORE) {
            return false;
        }
    }
    return frame_decoder_take(&decoder, bytes[length - 1]) == FRAME_READY &&
           decoder.length == want && memcmp(decoder.bytes, frame, want) == 0;
}

static bool encodes_to(const uint8_t *frame, size_t length, const uint8_t *bytes, size_t want)
{
    uint8_t got[WIRE];
    size_t count = 0;
    outbox_reset();
    (void)outbox_next(); // the delimiter of a start
    outbox_begin(frame[1], frame[2]);
    for (size_t i = FRAME_HEAD; i < length; i++) {
        outbox_put(frame[i]);
    }
    outbox_end();
    for (int16_t byte = outbox_next(); byte >= 0 && count < WIRE; byte = outbox_next()) {
        got[count++] = (uint8_t)byte;
    }
    return count == want && memcmp(got, bytes, want) == 0;
}

static void check_vectors(const char *path)
{
    static char line[LINE];
    static uint8_t bytes[WIRE];
    static uint8_t frame[WIRE];
    unsigned seen = 0;
    FILE *file = fopen(path, "r");
    expect(file != NULL, "the vectors open");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char name[64] = "a vector";
        const int length = json_hex(line, "wire", bytes, sizeof bytes);
        const int want = json_hex(line, "frame", frame, sizeof frame);
        if (length < 1 || want < FRAME_HEAD) {
            continue;
        }
        (void)json_text(line, "name", name, sizeof name);
        seen++;
        expect(decodes_to(bytes, (size_t)length, frame, (size_t)want), name);
        expect(frame[0] != FRAME_VERSION ||
                   encodes_to(frame, (size_t)want, bytes, (size_t)length),
               name);
    }
    if (file != NULL) {
        fclose(file);
    }
    expect(seen >= 10, "there are vectors");
}

// ---- A conversation ----------------------------------------------------------------------------

static uint8_t command[WIRE];
static size_t command_length;

static void begin(uint8_t type, uint8_t sequence)
{
    command_length = 0;
    command[command_length++] = FRAME_VERSION;
    command[command_length++] = type;
    command[command_length++] = sequence;
}

static void put(const uint8_t *bytes, size_t length)
{
    memcpy(command + command_length, bytes, length);
    command_length += length;
}

// Close the frame, send it byte-stuffed, and let some time pass.
static void send_command(uint64_t then_us)
{
    uint8_t out[WIRE];
    uint16_t crc = CRC16_START;
    size_t code_at = 0;
    size_t count = 1;
    for (size_t i = 0; i < command_length; i++) {
        crc = crc16(crc, command[i]);
    }
    command[command_length++] = (uint8_t)crc;
    command[command_length++] = (uint8_t)(crc >> 8);
    for (size_t i = 0; i < command_length; i++) { // short commands only: one group is enough
        if (command[i] == 0) {
            out[code_at] = (uint8_t)(count - code_at);
            code_at = count++;
        } else {
            out[count++] = command[i];
        }
    }
    out[code_at] = (uint8_t)(count - code_at);
    out[count++] = 0;
    wire_length = 0;
    (void)machine_send(out, count);
    machine_run_until(machine_now_ns() + then_us * 1000U);
}

// Find the first frame of a type in what the board sent; NULL when there is none.
static const struct frame_decoder *find(uint8_t type)
{
    static struct frame_decoder decoder;
    frame_decoder_reset(&decoder);
    for (size_t i = 0; i < wire_length; i++) {
        if (frame_decoder_take(&decoder, wire[i]) == FRAME_READY && decoder.bytes[1] == type) {
            return &decoder;
        }
    }
    return NULL;
}

static const uint8_t SETTINGS[12] = {0xA0, 0x27, 0xBE, 0x33, 7, 7, 5, 0x34, 2, 8, 0, 14};

static void inject_at(uint64_t end_us)
{
    struct air_frame frame = {
        .frequency_hz = 868100000, .bandwidth_hz = 125000, .preamble = 8, .rssi_dbm = -90,
        .snr_quarter_db = -20,     .sf = 7,                .coding_rate = 5, .sync_word = 0x34,
        .crc_on = true,            .crc_ok = true,         .length = 255,
    };
    for (unsigned i = 0; i < 255; i++) {
        frame.payload[i] = (uint8_t)(i % 7 ? i : 0);
    }
    frame.end_ns = end_us * 1000U;
    frame.start_ns = frame.lock_ns = frame.header_ns = frame.end_ns - 1000000U;
    (void)sx1276_inject(&machine_radio, &frame);
}

static void check_reception(void)
{
    wire_length = 0;
    inject_at(400000);
    machine_run_until(450000000);
    const struct frame_decoder *got = find(EVENT_RECEIVED);
    expect(got != NULL && got->length == FRAME_HEAD + RECEIVED_HEAD + 255, "a frame of 255 bytes");
    expect(got != NULL && got->bytes[FRAME_HEAD + RECEIVED_HEAD + 254] == 254, "its last byte");
}

static void check_transmission(void)
{
    const uint32_t at_us = 1400000;
    const uint8_t at[5] = {(uint8_t)at_us, (uint8_t)(at_us >> 8), (uint8_t)(at_us >> 16), 0, 0};
    begin(CMD_TRANSMIT, 9);
    put(at, sizeof at);
    put(SETTINGS, sizeof SETTINGS);
    put((const uint8_t *)"hello", 5);
    send_command(20000);
    expect(find(CMD_TRANSMIT | WIRE_ANSWER) != NULL, "a transmission is accepted");
    wire_length = 0;
    machine_run_until(2000000000);
    const int64_t late_ns = (int64_t)last_sent.start_ns - 1400000000;
    expect(last_sent.length == 5 && memcmp(last_sent.payload, "hello", 5) == 0, "what was sent");
    expect(late_ns > -100000 && late_ns < 100000, "when it was sent");
    expect(find(EVENT_TRANSMITTED) != NULL, "that it was sent is told");
}

static void check_conversation(void)
{
    expect(machine_start(NULL, &radio_hooks, &machine_hooks, 500000), "the board starts");
    machine_run_until(100000000);
    expect(find(EVENT_BOOT) != NULL, "the board says that it started");
    begin(CMD_CONFIGURE, 1);
    put(SETTINGS, sizeof SETTINGS);
    send_command(10000);
    expect(find(CMD_CONFIGURE | WIRE_ANSWER) != NULL, "settings are taken");
    begin(CMD_RECEIVE, 2);
    put((const uint8_t[]){1, 0}, 2);
    send_command(10000);
    expect(find(CMD_RECEIVE | WIRE_ANSWER) != NULL, "the board listens");
    check_reception();
    check_transmission();
    expect(violations == 0, "the radio was never misused");
}

int main(int count, char **words)
{
    check_conversation();
    if (count > 1) {
        check_vectors(words[1]);
    }
    printf("%u checks, %u failed\n", checks, failures);
    return failures == 0 ? 0 : 1;
}
