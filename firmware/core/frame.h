// Frames on the wire (SPEC section 1): CRC-16 and the COBS decoder. No I/O.
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FRAME_VERSION = 1,
    FRAME_HEAD = 3, // version, type, sequence
    FRAME_CRC = 2,
    FRAME_BODY_MAX = 279,
    FRAME_MAX = FRAME_HEAD + FRAME_BODY_MAX + FRAME_CRC,
};

#define CRC16_START 0xFFFFU

// Return the CRC-16/IBM-3740 after one more byte.
uint16_t crc16(uint16_t crc, uint8_t byte);

enum frame_status {
    FRAME_BROKEN = -1, // a delimiter ended something that is no whole frame
    FRAME_MORE = 0,    // nothing yet
    FRAME_READY = 1,   // bytes[0 .. length) is a frame without its CRC
};

struct frame_decoder {
    uint8_t bytes[FRAME_MAX];
    uint16_t length;
    uint8_t left;       // data bytes of the current group still to come
    bool zero_follows;  // a zero belongs after this group, if another group comes
    bool begun;         // something came since the last delimiter
    bool bad;           // too long
};

void frame_decoder_reset(struct frame_decoder *decoder);

// Take one byte of the line. After FRAME_READY the frame is there until the next call.
enum frame_status frame_decoder_take(struct frame_decoder *decoder, uint8_t byte);

#endif
