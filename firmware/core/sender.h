// One transmission at its time.
#ifndef SENDER_H
#define SENDER_H

#include "wire.h"

#include <stdbool.h>
#include <stdint.h>

void sender_reset(void);

// The bodies of transmit and cancel. On success `at_us` is when the preamble starts.
enum status sender_command(uint8_t sequence, const uint8_t *body, uint16_t length,
                           uint32_t *at_us);
enum status sender_cancel(uint8_t sequence);

// One pass. Return true while the radio is the sender's: nobody else may touch SPI then.
bool sender_step(void);

#endif
