// ATmega328P at 16 MHz (Arduino Uno, Nano, 5 V or level-shifted Pro Mini) with an RFM95 or a
// Dragino LoRa shield: NSS D10 (PB2), MOSI D11, MISO D12, SCK D13, DIO0 D2 (PD2), RESET D9 (PB1).
// Source of the registers: Microchip, ATmega328P datasheet DS40002061.
#include "../../core/hal.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>

#ifndef BAUD
#define BAUD 500000UL
#endif

enum { NSS = 1 << PB2, RESET = 1 << PB1, DIO0 = 1 << PD2, TICKS_PER_US = 2 };
static const uint16_t WAKE_TICKS = 2000; // 1 ms
static const uint8_t STACK_PAINT = 0xC5;
static const uint16_t RESET_ASKED = 0x5AA5;

const uint8_t hal_board = 1;
const uint8_t hal_alarm_lead_us = 16; // measured in the simulator: tests/firmware asserts on it

static volatile uint16_t wraps; // of timer 1: 32.768 ms each
static volatile uint32_t alarm_ticks;
static volatile bool alarm_on;

// Not cleared by a start: what the last run left for this one.
static volatile uint16_t reset_mark __attribute__((section(".noinit")));
static uint8_t reset_flags __attribute__((section(".noinit")));
static uint8_t reset_reason;

// ---- Start ------------------------------------------------------------------------------------

extern uint8_t _end; // of the variables; the stack grows down to here

// Before main: read why we start, stop the watchdog (it stays on, at 16 ms, through its own reset),
// and paint the stack. Optiboot clears MCUSR and hands it over in r2.
void early(void) __attribute__((naked, used, section(".init3")));
void early(void)
{
    uint8_t from_bootloader;
    __asm__ volatile("mov %0, r2" : "=r"(from_bootloader));
    reset_flags = MCUSR ? MCUSR : from_bootloader;
    MCUSR = 0;
    wdt_disable();
    for (uint8_t *at = &_end; at < (uint8_t *)RAMEND - 8; at++) {
        *at = STACK_PAINT;
    }
}

uint16_t hal_stack_free(void)
{
    uint16_t free = 0;
    for (const uint8_t *at = &_end; at < (uint8_t *)RAMEND && *at == STACK_PAINT; at++) {
        free++;
    }
    return free;
}

static uint8_t reason(void)
{
    const bool asked = reset_mark == RESET_ASKED;
    reset_mark = 0;
    if (reset_flags & (1 << WDRF)) {
        return asked ? 5 : 4;
    }
    if (reset_flags & (1 << PORF)) {
        return 1;
    }
    if (reset_flags & (1 << BORF)) {
        return 3;
    }
    return reset_flags & (1 << EXTRF) ? 2 : 0;
}

uint8_t hal_reset_cause(void)
{
    return reset_reason;
}

_Noreturn void hal_restart(void)
{
    reset_mark = RESET_ASKED;
    wdt_enable(WDTO_15MS);
    for (;;) {
    }
}

void hal_watchdog_feed(void)
{
    wdt_reset();
}

// ---- Time -------------------------------------------------------------------------------------

ISR(TIMER1_OVF_vect)
{
    wraps++;
}

static uint32_t ticks(void)
{
    uint16_t low = TCNT1;
    uint16_t high = wraps;
    // A wrap whose interrupt waits behind us: the timer is past it, the count is not.
    if ((TIFR1 & (1 << TOV1)) && low < 0x8000U) {
        high++;
    }
    return (uint32_t)high << 16 | low;
}

// Ticks wrap after 35 minutes, us after 71: the missing bit is kept here.
static uint32_t now_us(void)
{
    static uint32_t last;
    static uint32_t upper;
    const uint32_t now = ticks();
    if (now < last) {
        upper ^= 0x80000000UL;
    }
    last = now;
    return upper | now / TICKS_PER_US;
}

uint32_t hal_now_us(void)
{
    const uint8_t flags = SREG;
    cli();
    const uint32_t now = now_us();
    SREG = flags;
    return now;
}

// Wakes the main loop; each sets the next.
ISR(TIMER1_COMPB_vect)
{
    OCR1B = (uint16_t)(OCR1B + WAKE_TICKS);
}

// Comes once per wrap of the timer, alarm or none: TIFR1 is never written, so no flag is lost.
ISR(TIMER1_COMPA_vect)
{
    if (alarm_on && (int32_t)(ticks() - alarm_ticks) >= 0) {
        alarm_on = false;
        station_alarm();
    }
}

void hal_alarm(uint32_t at_us)
{
    alarm_ticks = at_us * TICKS_PER_US;
    OCR1A = (uint16_t)alarm_ticks;
    alarm_on = true;
}

void hal_alarm_off(void)
{
    alarm_on = false;
}

void hal_critical_enter(void)
{
    cli();
}

void hal_critical_exit(void)
{
    sei();
}

void hal_sleep(void)
{
    SMCR = 1 << SE;
    sei(); // the instruction after sei runs before any interrupt
    sleep_cpu();
    cli();
    SMCR = 0;
}

// ---- Radio ------------------------------------------------------------------------------------

void hal_radio_select(bool selected)
{
    if (selected) {
        PORTB &= (uint8_t)~NSS;
    } else {
        PORTB |= NSS;
    }
}

uint8_t hal_radio_exchange(uint8_t out)
{
    SPDR = out;
    while (!(SPSR & (1 << SPIF))) {
    }
    return SPDR;
}

void hal_radio_reset(bool low)
{
    if (low) {
        PORTB &= (uint8_t)~RESET;
        DDRB |= RESET;
    } else {
        DDRB &= (uint8_t)~RESET;
    }
}

ISR(INT0_vect)
{
    station_edge(now_us());
}

// ---- Host -------------------------------------------------------------------------------------

ISR(USART_RX_vect)
{
    const bool lost = UCSR0A & ((1 << DOR0) | (1 << FE0));
    const uint8_t byte = UDR0;
    if (lost) {
        station_overrun();
    }
    station_byte(byte);
}

ISR(USART_UDRE_vect)
{
    const int16_t byte = station_next_byte();
    if (byte < 0) {
        UCSR0B &= (uint8_t)~(1 << UDRIE0);
    } else {
        UDR0 = (uint8_t)byte;
    }
}

void hal_host_wake(void)
{
    cli();
    UCSR0B |= (1 << UDRIE0);
    sei();
}

// ---- Main -------------------------------------------------------------------------------------

static void set_up(void)
{
    PORTB |= NSS;
    DDRB |= NSS | (1 << PB3) | (1 << PB5);
    SPCR = (1 << SPE) | (1 << MSTR); // mode 0, and with SPI2X 8 MHz
    SPSR = (1 << SPI2X);
    EICRA = (1 << ISC01) | (1 << ISC00); // rising edge of DIO0
    EIMSK = (1 << INT0);
    TCCR1B = (1 << CS11); // 2 MHz
    OCR1B = WAKE_TICKS;
    TIMSK1 = (1 << TOIE1) | (1 << OCIE1A) | (1 << OCIE1B);
    UCSR0A = (1 << U2X0);
    UBRR0 = (uint16_t)((F_CPU + 4 * BAUD) / (8 * BAUD) - 1);
    UCSR0C = (1 << UCSZ01) | (1 << UCSZ00);
    UCSR0B = (1 << RXEN0) | (1 << TXEN0) | (1 << RXCIE0);
    SMCR = 0; // sleep means idle: timers and UART go on
}

int main(void)
{
    reset_reason = reason();
    wdt_enable(WDTO_1S);
    set_up();
    sei();
    station_start();
    for (;;) {
        station_step();
    }
}
