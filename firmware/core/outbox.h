// Frames on their way to the host: encoded in place into a ring that an interrupt empties.
#ifndef OUTBOX_H
#define OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

enum {
    OUTBOX_SIZE = 512,  // a power of two; the longest frame takes 287
    OUTBOX_ANSWERS = 144, // kept free of events: two of the longest answers
};

void outbox_reset(void);

// Is there room for a frame with this body, and for `spare` bytes more?
bool outbox_has_room(uint16_t body_length, uint16_t spare);

// Build one frame: begin, put exactly the body, end. The caller made sure of the room.
void outbox_begin(uint8_t type, uint8_t sequence);
void outbox_put(uint8_t byte);
void outbox_put16(uint16_t value);
void outbox_put32(uint32_t value);
void outbox_end(void);

// From an interrupt: return the next byte for the line, or -1.
int16_t outbox_next(void);

// Has everything left the ring?
bool outbox_is_empty(void);

#endif
