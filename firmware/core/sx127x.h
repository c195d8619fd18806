// The SX1276/77/78/79 in LoRa mode, through hal.h. Source: Semtech datasheet rev. 7.
#ifndef SX127X_H
#define SX127X_H

#include "settings.h"

#include <stdbool.h>
#include <stdint.h>

// One snapshot of the receiver, read in one burst, so that its parts belong together.
struct sx127x_state {
    uint8_t fifo_at;
    uint8_t irq;
    uint8_t length;
    uint16_t packets; // valid ones since receive began
    uint8_t modem;
    int8_t snr_quarter_db;
    uint8_t rssi;
    uint8_t hop; // RegHopChannel
};

void sx127x_write(uint8_t address, uint8_t value);
uint8_t sx127x_read(uint8_t address);

// Reset the chip and leave it in LoRa standby. Return RegVersion, or 0 when no SX1276 answers.
uint8_t sx127x_start(void);

void sx127x_standby(void);

// Listen with these settings until told otherwise; DIO0 rises at RxDone.
void sx127x_receive(const struct settings *settings);

// Look once for a preamble; DIO0 rises at CadDone and the chip is in standby then.
void sx127x_detect(const struct settings *settings);

// Is the chip in the mode it was last put in? False after it lost its settings.
bool sx127x_is_sane(void);

struct sx127x_state sx127x_snapshot(void);
void sx127x_clear_irq(void);
uint8_t sx127x_irq(void);
uint16_t sx127x_packet_count(void);
int32_t sx127x_frequency_error_hz(uint8_t bandwidth);

// Return the strength of the packet in quarter dBm. Datasheet 5.5.5.
int16_t sx127x_rssi_quarter_dbm(const struct sx127x_state *state, uint32_t frequency_hz);

// Read the FIFO: begin, next for each byte, end.
void sx127x_fifo_begin(uint8_t address);
uint8_t sx127x_fifo_next(void);
void sx127x_fifo_end(void);

// Make a transmission ready, synthesizer locked; `fire` then starts it (also from interrupts).
void sx127x_load(const struct settings *settings, const uint8_t *payload, uint8_t length);
void sx127x_fire(void);

#endif
