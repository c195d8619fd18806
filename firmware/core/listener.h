// The receiver: fixed, hopping over frequencies, or scanning spreading factors.
#ifndef LISTENER_H
#define LISTENER_H

#include "settings.h"
#include "wire.h"

#include <stdbool.h>
#include <stdint.h>

void listener_reset(void);

// Commands: configure, and the body of receive.
void listener_configure(const struct settings *settings);
enum status listener_command(const uint8_t *body, uint16_t length);

// The radio is the listener's again, in whatever state: (re)start what was asked for.
void listener_resume(void);

// One pass: hand up a frame, hop, scan, look after the radio. Only while the sender needs no radio.
void listener_step(void);

#endif
