#include "frame.h"

uint16_t crc16(uint16_t crc, uint8_t byte)
{
    // Eight steps of the shift register at once: on an AVR a table would cost 512 bytes of flash.
    uint8_t x = (uint8_t)((crc >> 8) ^ byte);
    x = (uint8_t)(x ^ (x >> 4));
    return (uint16_t)((uint16_t)(crc << 8) ^ (uint16_t)((uint16_t)x << 12) ^
                      (uint16_t)((uint16_t)x << 5) ^ x);
}

void frame_decoder_reset(struct frame_decoder *decoder)
{
    decoder->length = 0;
    decoder->left = 0;
    decoder->zero_follows = false;
    decoder->begun = false;
    decoder->bad = false;
}

static void append(struct frame_decoder *decoder, uint8_t byte)
{
    if (decoder->length >= FRAME_MAX) {
        decoder->bad = true;
        return;
    }
    decoder->bytes[decoder->length++] = byte;
}

static enum frame_status finish(struct frame_decoder *decoder)
{
    const bool begun = decoder->begun;
    const bool whole = !decoder->bad && decoder->left == 0;
    const uint16_t length = decoder->length;
    frame_decoder_reset(decoder);
    if (!begun) {
        return FRAME_MORE;
    }
    if (!whole || length < FRAME_HEAD + FRAME_CRC) {
        return FRAME_BROKEN;
    }
    uint16_t crc = CRC16_START;
    for (uint16_t i = 0; i < length - FRAME_CRC; i++) {
        crc = crc16(crc, decoder->bytes[i]);
    }
    const uint16_t sent = (uint16_t)(decoder->bytes[length - 2] |
                                     (uint16_t)((uint16_t)decoder->bytes[length - 1] << 8));
    decoder->length = (uint16_t)(length - FRAME_CRC);
    return crc == sent ? FRAME_READY : FRAME_BROKEN;
}

static void begin_group(struct frame_decoder *decoder, uint8_t code)
{
    if (decoder->zero_follows) {
        append(decoder, 0);
    }
    decoder->left = (uint8_t)(code - 1);
    decoder->zero_follows = code != 0xFF;
}

enum frame_status frame_decoder_take(struct frame_decoder *decoder, uint8_t byte)
{
    if (!decoder->begun) {
        decoder->length = 0; // of the frame that was ready
    }
    if (byte == 0) {
        const enum frame_status status = finish(decoder);
        if (status != FRAME_READY) {
            decoder->length = 0;
        }
        return status;
    }
    decoder->begun = true;
    if (decoder->left == 0) {
        begin_group(decoder, byte);
    } else {
        append(decoder, byte);
        decoder->left--;
    }
    return FRAME_MORE;
}
