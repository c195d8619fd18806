// The whole port seam: what a board gives the core, and what it calls in return.
//
// To port the core, write the functions of the first part, call those of the second, and link
// with core/*.c. Nothing else of the core knows what it runs on. SPEC.md has the bytes.
#ifndef HAL_H
#define HAL_H

#include <stdbool.h>
#include <stdint.h>

// ---- 1. The board gives ------------------------------------------------------------------------

// Return the time in us since start; wraps at 2^32. May be called anywhere, interrupts included.
uint32_t hal_now_us(void);

// Hold off interrupts, and let them in again. Never nested by the core.
void hal_critical_enter(void);
void hal_critical_exit(void);

// Called between enter and exit: let interrupts in and wait for one, at most about 1 ms.
void hal_sleep(void);

// SPI to the radio: mode 0, most significant bit first, at most 10 MHz. `select` drives NSS low.
void hal_radio_select(bool selected);
uint8_t hal_radio_exchange(uint8_t out);

// Drive the radio's reset pin low, or let it float.
void hal_radio_reset(bool low);

// Call `station_alarm` once from an interrupt at this time, which is 40 us to 10 ms ahead.
void hal_alarm(uint32_t at_us);
void hal_alarm_off(void);

// How long before the preamble the alarm must come: its latency and the SPI write. Measured, us.
extern const uint8_t hal_alarm_lead_us;

// There are bytes for the host: fetch them with `station_next_byte` until it returns -1.
void hal_host_wake(void);

// The loop is alive. A watchdog of about one second starts again from here.
void hal_watchdog_feed(void);

// Restart the board; the next `hal_reset_cause` is then 5 (SPEC section 5).
_Noreturn void hal_restart(void);
uint8_t hal_reset_cause(void);

// Which board this is (SPEC section 5), and how much stack was never used (0xFFFF: not known).
extern const uint8_t hal_board;
uint16_t hal_stack_free(void);

// ---- 2. The board calls ------------------------------------------------------------------------

// Once, with the hardware ready and interrupts on; then `step` for ever.
void station_start(void);
void station_step(void);

// From interrupts. A byte came from the host; the next one for it (-1: none); bytes were lost.
void station_byte(uint8_t byte);
int16_t station_next_byte(void);
void station_overrun(void);

// From interrupts. DIO0 rose at this time; the alarm's time has come.
void station_edge(uint32_t at_us);
void station_alarm(void);

#endif
