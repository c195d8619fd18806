#include "radio.h"

#include "hal.h"
#include "outbox.h"
#include "statistics.h"
#include "sx127x.h"

struct statistics statistics;

static uint8_t version;
static uint8_t event_number;
static volatile bool edge;
static volatile uint32_t edge_at_us;

uint8_t radio_start(void)
{
    version = sx127x_start();
    radio_forget_edge();
    return version;
}

uint8_t radio_version(void)
{
    return version;
}

void radio_restart(void)
{
    statistics.radio_restarts++;
    (void)radio_start();
}

void station_edge(uint32_t at_us)
{
    edge_at_us = at_us;
    edge = true;
}

bool radio_take_edge(uint32_t *at_us)
{
    hal_critical_enter();
    const bool had = edge;
    *at_us = edge_at_us;
    edge = false;
    hal_critical_exit();
    return had;
}

void radio_forget_edge(void)
{
    edge = false;
}

bool radio_has_edge(void)
{
    return edge;
}

bool event_begin(uint8_t type, uint16_t body_length)
{
    if (!outbox_has_room(body_length, OUTBOX_ANSWERS)) {
        return false;
    }
    outbox_begin(type, event_number++);
    return true;
}

void event_counter_reset(void)
{
    event_number = 0;
}
