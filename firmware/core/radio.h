// What listener and sender share: the one radio, its edge, and the event counter.
#ifndef RADIO_H
#define RADIO_H

#include <stdbool.h>
#include <stdint.h>

// Set the chip up. Return its version, 0 when it does not answer.
uint8_t radio_start(void);
uint8_t radio_version(void);

// Set it up again after it lost its settings; counted.
void radio_restart(void);

// Take the last DIO0 edge, if there was one since.
bool radio_take_edge(uint32_t *at_us);
void radio_forget_edge(void);
bool radio_has_edge(void);

// Begin an event frame with the next event number; return false when the line has no room.
bool event_begin(uint8_t type, uint16_t body_length);
void event_counter_reset(void);

#endif
