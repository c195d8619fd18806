// A simulated SX1276 in LoRa mode: registers, FIFO, air, and a sharp eye for misuse.
// It is written from the datasheet (rev. 7) and the errata note, apart from the driver in core/.
#ifndef SX1276_H
#define SX1276_H

#include <stdbool.h>
#include <stdint.h>

enum { AIR_FRAMES = 64 };

struct air_frame {
    uint64_t start_ns;
    uint64_t lock_ns; // the receiver must be there from here on
    uint64_t header_ns;
    uint64_t end_ns;
    uint32_t frequency_hz;
    uint32_t bandwidth_hz;
    int32_t error_hz;
    uint16_t preamble;
    int16_t rssi_dbm;
    int8_t snr_quarter_db;
    uint8_t sf;
    uint8_t coding_rate;
    uint8_t sync_word;
    bool iq_inverted;
    bool crc_on;
    bool crc_ok;
    uint8_t length;
    uint8_t payload[255];
    uint8_t stage;
    uint32_t session; // the reception that locked on to it
};

struct sent_frame {
    uint64_t start_ns;
    uint64_t airtime_ns;
    uint32_t frequency_hz;
    uint32_t bandwidth_hz;
    uint16_t preamble;
    int8_t power_dbm;
    uint8_t sf;
    uint8_t coding_rate;
    uint8_t sync_word;
    bool iq_inverted;
    bool crc_on;
    uint8_t length;
    uint8_t payload[255];
};

// What the model tells its surroundings.
struct sx1276_hooks {
    void (*dio0)(bool level);
    void (*sent)(const struct sent_frame *frame);
    void (*heard)(const struct air_frame *frame, bool taken);
    void (*violation)(uint64_t at_ns, const char *what, unsigned detail);
};

struct sx1276 {
    const struct sx1276_hooks *hooks;
    uint64_t now_ns;
    uint64_t ready_ns; // after a reset
    uint64_t tx_start_ns;
    uint64_t tx_end_ns;
    uint64_t cad_end_ns;
    uint8_t regs[128];
    uint8_t fifo[256];
    uint8_t rx_at; // where the next received byte goes
    bool selected;
    bool first; // the next byte is an address
    bool write;
    bool in_reset;
    bool dio0;
    bool mute_tx_done; // a fault to inject: TxDone never comes
    uint8_t address;
    uint32_t session;
    unsigned in_air; // how many of the frames are under way
    struct air_frame frames[AIR_FRAMES];
};

void sx1276_init(struct sx1276 *radio, const struct sx1276_hooks *hooks);

// Lose all settings, as at a brown-out of the chip alone.
void sx1276_brown_out(struct sx1276 *radio);

void sx1276_reset_pin(struct sx1276 *radio, bool low);
void sx1276_select(struct sx1276 *radio, bool selected);
uint8_t sx1276_exchange(struct sx1276 *radio, uint8_t in);

// Put a frame on the air; false when too many are under way. start_ns or later times are set.
bool sx1276_inject(struct sx1276 *radio, const struct air_frame *frame);

// Return when something happens next, at most `limit_ns`; go to a time.
uint64_t sx1276_next_ns(const struct sx1276 *radio, uint64_t limit_ns);
void sx1276_advance(struct sx1276 *radio, uint64_t now_ns);

uint64_t lora_symbol_ns(uint8_t sf, uint32_t bandwidth_hz);

// Datasheet 4.1.1.7, explicit header.
uint64_t lora_airtime_ns(uint8_t sf, uint32_t bandwidth_hz, uint8_t coding_rate,
                         uint16_t preamble, bool crc_on, uint8_t length);

#endif
