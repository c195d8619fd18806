// Counters since boot (SPEC section 6).
#ifndef STATISTICS_H
#define STATISTICS_H

#include <stdint.h>

struct statistics {
    uint32_t uptime_s;
    uint32_t rx_good;
    uint32_t rx_bad_crc;
    uint32_t rx_dropped;
    uint32_t rx_missed;
    uint32_t tx_done;
    uint32_t tx_late;
    uint32_t tx_failed;
    uint32_t host_frames;
    uint32_t host_bad;
    uint32_t host_overrun;
    uint32_t radio_restarts;
    uint32_t cad_runs;
    uint32_t cad_hits;
};

extern struct statistics statistics;

#endif
