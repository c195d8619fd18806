// The core, compiled for this machine, in virtual time. Interrupts come where the core calls the
// HAL, unless it holds them off: that is coarser than a CPU's, and quick.
#include "machine.h"

#include "../core/hal.h"

#include <setjmp.h>

enum { SEND_QUEUE = 1 << 16, SPI_BYTE_NS = 1000, CLOCK_READ_NS = 500, WAKE_NS = 1000000 };
enum { CAUSE_POWER = 1, CAUSE_PIN = 2, CAUSE_WATCHDOG = 4, CAUSE_COMMAND = 5 };

struct sx1276 machine_radio;
const uint8_t hal_board = 0;
const uint8_t hal_alarm_lead_us = 3;

static const struct machine_hooks *hooks;
static uint64_t now_ns;
static uint64_t limit_ns;
static uint64_t boot_ns;
static uint64_t byte_ns;
static uint64_t next_in_ns;
static uint64_t next_out_ns;
static uint64_t alarm_ns;
static bool alarm_on;
static bool sending;
static bool critical;
static bool in_interrupt;
static bool edge_waits;
static uint64_t edge_ns;
static bool spi_stuck;
static uint8_t cause;
static jmp_buf restart;
static uint8_t queue[SEND_QUEUE];
static size_t queue_from;
static size_t queue_to;

static uint32_t board_us(uint64_t ns)
{
    return (uint32_t)((ns - boot_ns) / 1000U);
}

static void serve_line(void)
{
    if (queue_from != queue_to && now_ns >= next_in_ns) {
        station_byte(queue[queue_from]);
        queue_from = (queue_from + 1) % SEND_QUEUE;
        next_in_ns = now_ns + byte_ns;
    }
    if (sending && now_ns >= next_out_ns) {
        const int16_t byte = station_next_byte();
        sending = byte >= 0;
        if (sending) {
            next_out_ns = now_ns + byte_ns;
            hooks->host_byte(next_out_ns, (uint8_t)byte);
        }
    }
}

static void interrupt(void)
{
    if (critical || in_interrupt) {
        return;
    }
    in_interrupt = true;
    if (edge_waits) {
        edge_waits = false;
        station_edge(board_us(edge_ns));
    }
    if (alarm_on && now_ns >= alarm_ns) {
        alarm_on = false;
        station_alarm();
    }
    serve_line();
    in_interrupt = false;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_ns(uint64_t limit)
{
    uint64_t next = sx1276_next_ns(&machine_radio, limit);
    if (alarm_on) {
        next = earlier(next, alarm_ns);
    }
    if (queue_from != queue_to) {
        next = earlier(next, next_in_ns);
    }
    if (sending) {
        next = earlier(next, next_out_ns);
    }
    return next > now_ns ? next : now_ns;
}

static void advance(uint64_t ns)
{
    const uint64_t until = now_ns + ns;
    while (now_ns < until) {
        // What waits for its interrupt does not hold the time up.
        const uint64_t next = critical || in_interrupt ? until : next_ns(until);
        now_ns = next > now_ns ? next : earlier(now_ns + 1, until);
        sx1276_advance(&machine_radio, now_ns);
        interrupt();
    }
}

uint32_t hal_now_us(void)
{
    advance(CLOCK_READ_NS);
    return board_us(now_ns);
}

void hal_critical_enter(void)
{
    critical = true;
}

void hal_critical_exit(void)
{
    critical = false;
    interrupt();
}

void hal_sleep(void)
{
    critical = false;
    const uint64_t wake = earlier(now_ns + WAKE_NS, limit_ns > now_ns ? limit_ns : now_ns + 1);
    advance(next_ns(wake) - now_ns + 1);
    critical = true;
}

void hal_radio_select(bool selected)
{
    sx1276_select(&machine_radio, selected);
}

uint8_t hal_radio_exchange(uint8_t out)
{
    if (spi_stuck) {
        advance(WAKE_NS * 1000ULL); // the loop hangs; after a second a watchdog bites
        cause = CAUSE_WATCHDOG;
        longjmp(restart, 1);
    }
    advance(SPI_BYTE_NS);
    return sx1276_exchange(&machine_radio, out);
}

void hal_radio_reset(bool low)
{
    sx1276_reset_pin(&machine_radio, low);
}

void hal_alarm(uint32_t at_us)
{
    alarm_ns = now_ns + (uint64_t)(at_us - board_us(now_ns)) * 1000U;
    alarm_on = true;
}

void hal_alarm_off(void)
{
    alarm_on = false;
}

void hal_host_wake(void)
{
    if (!sending) {
        sending = true;
        next_out_ns = now_ns;
    }
}

void hal_watchdog_feed(void)
{
}

_Noreturn void hal_restart(void)
{
    cause = CAUSE_COMMAND;
    longjmp(restart, 1);
}

uint8_t hal_reset_cause(void)
{
    return cause;
}

uint16_t hal_stack_free(void)
{
    return 0xFFFF;
}

static void boot(void)
{
    alarm_on = sending = critical = in_interrupt = edge_waits = spi_stuck = false;
    machine_radio.selected = false;
    boot_ns = now_ns;
    hooks->reset(now_ns);
    station_start();
}

static const struct sx1276_hooks *outer;
static struct sx1276_hooks inner;

static void dio0(bool level)
{
    if (level) {
        edge_waits = true;
        edge_ns = machine_radio.now_ns;
    }
    outer->dio0(level);
}

bool machine_start(const char *image, const struct sx1276_hooks *radio_hooks,
                   const struct machine_hooks *machine_hooks, uint32_t baud)
{
    (void)image;
    hooks = machine_hooks;
    outer = radio_hooks;
    inner = *radio_hooks;
    inner.dio0 = dio0;
    sx1276_init(&machine_radio, &inner);
    byte_ns = 10ULL * 1000000000ULL / baud;
    cause = CAUSE_POWER;
    now_ns = limit_ns = queue_from = queue_to = 0;
    if (setjmp(restart) == 0) {
        boot();
    }
    return true;
}

uint64_t machine_now_ns(void)
{
    return now_ns;
}

void machine_run_until(uint64_t ns)
{
    limit_ns = ns;
    if (setjmp(restart) != 0) {
        boot();
    }
    while (now_ns < limit_ns) {
        station_step();
    }
}

bool machine_send(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const size_t next = (queue_to + 1) % SEND_QUEUE;
        if (next == queue_from) {
            return false;
        }
        queue[queue_to] = bytes[i];
        queue_to = next;
    }
    return true;
}

void machine_reset(void)
{
    cause = CAUSE_PIN;
    boot();
}

void machine_stick_spi(void)
{
    spi_stuck = true;
}
