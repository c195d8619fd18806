// libFuzzer target: whatever the host sends, with frames on the air in between. Nothing may crash,
// the radio may never be misused, and what the board sends must be whole frames.
#include "../core/frame.h"
#include "../sim/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_NS = 3000000, RUN_BYTES = 64 };

static struct frame_decoder from_board;

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    abort();
}

static void host_byte(uint64_t at_ns, uint8_t byte)
{
    (void)at_ns;
    if (frame_decoder_take(&from_board, byte) == FRAME_BROKEN) {
        fail("the board sent a broken frame");
    }
}

static void ignore_time(uint64_t at_ns)
{
    (void)at_ns;
}

static void reset(uint64_t at_ns)
{
    (void)at_ns;
    frame_decoder_reset(&from_board);
}

static void dio0(bool level)
{
    (void)level;
}

static void sent(const struct sent_frame *frame)
{
    (void)frame;
}

static void heard(const struct air_frame *frame, bool taken)
{
    (void)frame;
    (void)taken;
}

static void violation(uint64_t at_ns, const char *what, unsigned detail)
{
    fprintf(stderr, "at %llu ns, detail %u: ", (unsigned long long)at_ns, detail);
    fail(what);
}

static void air(uint8_t seed)
{
    struct air_frame frame = {
        .frequency_hz = 868100000, .bandwidth_hz = 125000, .preamble = 8, .rssi_dbm = -90,
        .sf = (uint8_t)(7 + seed % 6), .coding_rate = 5, .sync_word = 0x34, .crc_on = seed & 1,
        .crc_ok = seed & 2, .length = seed,
    };
    memset(frame.payload, seed & 4 ? 0 : seed, sizeof frame.payload);
    frame.start_ns = frame.lock_ns = frame.header_ns = machine_now_ns();
    frame.end_ns = frame.start_ns + 100000U;
    (void)sx1276_inject(&machine_radio, &frame);
}

// Send a command that the fuzzer need not find the CRC for: type, then a body of the given bytes.
static void send_whole(const uint8_t *bytes, size_t length)
{
    static uint8_t plain[FRAME_MAX];
    static uint8_t wire[FRAME_MAX + 4];
    uint16_t crc = CRC16_START;
    size_t count = 0;
    plain[count++] = FRAME_VERSION;
    plain[count++] = bytes[0] % 10;
    plain[count++] = 1;
    memcpy(plain + count, bytes + 1, length - 1);
    count += length - 1;
    for (size_t i = 0; i < count; i++) {
        crc = crc16(crc, plain[i]);
    }
    plain[count++] = (uint8_t)crc;
    plain[count++] = (uint8_t)(crc >> 8);
    size_t out = 1;
    size_t code_at = 0;
    for (size_t i = 0; i < count; i++) { // at most 64 bytes: one group is enough
        if (plain[i] == 0) {
            wire[code_at] = (uint8_t)(out - code_at);
            code_at = out++;
        } else {
            wire[out++] = plain[i];
        }
    }
    wire[code_at] = (uint8_t)(out - code_at);
    wire[out++] = 0;
    (void)machine_send(wire, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sx1276_hooks radio_hooks = {dio0, sent, heard, violation};
    static const struct machine_hooks machine_hooks = {host_byte, ignore_time, reset};
    (void)machine_start(NULL, &radio_hooks, &machine_hooks, 500000);
    size_t at = 0;
    while (at + 2 <= size) {
        // One byte says what comes, one how long it is.
        const uint8_t kind = data[at] & 3;
        size_t length = 1U + data[at + 1] % RUN_BYTES;
        at += 2;
        length = length < size - at ? length : size - at;
        if (kind == 3) {
            air(data[at - 1]);
        } else if (kind == 0) {
            (void)machine_send(data + at, length);
            at += length;
        } else if (length > 0) {
            send_whole(data + at, length);
            at += length;
        }
        machine_run_until(machine_now_ns() + STEP_NS);
    }
    machine_run_until(machine_now_ns() + STEP_NS);
    return 0;
}
