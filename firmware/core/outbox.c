#include "outbox.h"

#include "frame.h"
#include "hal.h"

enum { MASK = OUTBOX_SIZE - 1, GROUP_MAX = 0xFF };

static uint8_t ring[OUTBOX_SIZE];
static volatile uint16_t tail;  // next byte to send; moved by the interrupt
static volatile uint16_t head;  // end of what may be sent
static uint16_t end;            // end of what is written
static uint16_t code_at;        // where the open group's code byte will be
static uint8_t code;
static uint16_t crc;

void outbox_reset(void)
{
    hal_critical_enter();
    tail = head = end = 0;
    ring[end++] = 0; // ends whatever noise came before on the line
    head = end;
    hal_critical_exit();
}

static uint16_t used(void)
{
    hal_critical_enter();
    const uint16_t from = tail;
    hal_critical_exit();
    return (uint16_t)(end - from) & MASK;
}

bool outbox_is_empty(void)
{
    return used() == 0;
}

bool outbox_has_room(uint16_t body_length, uint16_t spare)
{
    // COBS adds one byte, and one more for each 254; then the delimiter; one stays free for ever.
    const uint16_t frame = (uint16_t)(body_length + FRAME_HEAD + FRAME_CRC);
    const uint16_t need = (uint16_t)(frame + 1 + frame / 254 + 1);
    return used() + need + spare < OUTBOX_SIZE;
}

static void write(uint8_t byte)
{
    ring[end & MASK] = byte;
    end = (uint16_t)(end + 1) & MASK;
}

static void open_group(void)
{
    code_at = end;
    code = 1;
    write(0);
}

static void encode(uint8_t byte)
{
    // A full group is closed only when something follows it.
    if (code == GROUP_MAX) {
        ring[code_at] = code;
        open_group();
    }
    if (byte == 0) {
        ring[code_at] = code;
        open_group();
        return;
    }
    write(byte);
    code++;
}

void outbox_put(uint8_t byte)
{
    crc = crc16(crc, byte);
    encode(byte);
}

void outbox_put16(uint16_t value)
{
    outbox_put((uint8_t)value);
    outbox_put((uint8_t)(value >> 8));
}

void outbox_put32(uint32_t value)
{
    outbox_put16((uint16_t)value);
    outbox_put16((uint16_t)(value >> 16));
}

void outbox_begin(uint8_t type, uint8_t sequence)
{
    crc = (uint16_t)CRC16_START;
    open_group();
    outbox_put(FRAME_VERSION);
    outbox_put(type);
    outbox_put(sequence);
}

void outbox_end(void)
{
    const uint16_t sum = crc;
    encode((uint8_t)sum);
    encode((uint8_t)(sum >> 8));
    ring[code_at] = code;
    write(0);
    hal_critical_enter();
    head = end;
    hal_critical_exit();
    hal_host_wake();
}

int16_t outbox_next(void)
{
    if (tail == head) {
        return -1;
    }
    const uint8_t byte = ring[tail];
    tail = (uint16_t)(tail + 1) & MASK;
    return byte;
}
