// Raspberry Pi Pico (RP2040) with an RFM95. Compile-only: never run on a board here.
// RFM95: MISO GP16, NSS GP17, SCK GP18, MOSI GP19, RESET GP20, DIO0 GP21. Host: UART0 on GP0, GP1.
// Source of the registers: Raspberry Pi, RP2040 datasheet.
#include "../../core/hal.h"
#include "../cortex_m.h"

#ifndef BAUD
#define BAUD 500000UL
#endif

enum { CLOCK_HZ = 12000000 }; // the crystal: no PLL is needed for this work

#define RESETS_CLEAR REGISTER(0x4000F000)
#define RESETS_DONE REGISTER(0x4000C008)
#define XOSC_CTRL REGISTER(0x40024000)
#define XOSC_STATUS REGISTER(0x40024004)
#define XOSC_STARTUP REGISTER(0x4002400C)
#define CLK_REF_CTRL REGISTER(0x40008030)
#define CLK_SYS_CTRL REGISTER(0x4000803C)
#define CLK_PERI_CTRL REGISTER(0x40008048)
#define GPIO_CTRL(pin) REGISTER(0x40014004UL + 8UL * (pin))
#define GPIO_INTR2 REGISTER(0x400140F8)
#define GPIO_INTE2 REGISTER(0x40014108)
#define PAD(pin) REGISTER(0x4001C004UL + 4UL * (pin))
#define SIO_OUT_SET REGISTER(0xD0000014)
#define SIO_OUT_CLEAR REGISTER(0xD0000018)
#define SIO_OE_SET REGISTER(0xD0000024)
#define SIO_OE_CLEAR REGISTER(0xD0000028)
#define SPI0_CR0 REGISTER(0x4003C000)
#define SPI0_CR1 REGISTER(0x4003C004)
#define SPI0_DR REGISTER(0x4003C008)
#define SPI0_SR REGISTER(0x4003C00C)
#define SPI0_CPSR REGISTER(0x4003C010)
#define UART0_DR REGISTER(0x40034000)
#define UART0_FR REGISTER(0x40034018)
#define UART0_IBRD REGISTER(0x40034024)
#define UART0_FBRD REGISTER(0x40034028)
#define UART0_LCR REGISTER(0x4003402C)
#define UART0_CR REGISTER(0x40034030)
#define UART0_IMSC REGISTER(0x40034038)
#define TIMER_ALARM0 REGISTER(0x40054010)
#define TIMER_ALARM1 REGISTER(0x40054014)
#define TIMER_ARMED REGISTER(0x40054020)
#define TIMER_RAW_LOW REGISTER(0x40054028)
#define TIMER_INTR REGISTER(0x40054034)
#define TIMER_INTE REGISTER(0x40054038)
#define WATCHDOG_CTRL REGISTER(0x40058000)
#define WATCHDOG_LOAD REGISTER(0x40058004)
#define WATCHDOG_REASON REGISTER(0x40058008)
#define WATCHDOG_SCRATCH0 REGISTER(0x4005800C)
#define WATCHDOG_TICK REGISTER(0x4005802C)
#define CHIP_RESET REGISTER(0x40064008)
#define VTOR REGISTER(0xE000ED08)

enum { NSS = 17, RESET_PIN = 20, DIO0 = 21 };
enum { IRQ_TIMER0 = 0, IRQ_TIMER1 = 1, IRQ_GPIO = 13, IRQ_UART0 = 20 };
enum { FUNCTION_SPI = 1, FUNCTION_UART = 2, FUNCTION_SIO = 5 };
enum { RX_IRQ = 0x50, TX_IRQ = 0x20, WAKE_US = 1000 };
static const uint32_t RESET_ASKED = 0x600DBEEF;
static const uint32_t EDGE_HIGH = 1UL << (3 + 4 * (DIO0 % 8));
static const uint32_t WATCHDOG_TICKS = 2000000; // counted twice a microsecond: erratum RP2040-E1

const uint8_t hal_board = 3;
const uint8_t hal_alarm_lead_us = 12; // reckoned from the instruction count, not measured

static volatile uint32_t alarm_us;
static uint8_t reset_reason;

uint32_t hal_now_us(void)
{
    return TIMER_RAW_LOW;
}

void hal_critical_enter(void)
{
    irq_off();
}

void hal_critical_exit(void)
{
    irq_on();
}

void hal_sleep(void)
{
    wait_for_irq();
}

void hal_radio_select(bool selected)
{
    if (selected) {
        SIO_OUT_CLEAR = 1UL << NSS;
    } else {
        SIO_OUT_SET = 1UL << NSS;
    }
}

uint8_t hal_radio_exchange(uint8_t out)
{
    SPI0_DR = out;
    while (!(SPI0_SR & 1 << 2)) {
    }
    return (uint8_t)SPI0_DR;
}

void hal_radio_reset(bool low)
{
    SIO_OUT_CLEAR = 1UL << RESET_PIN;
    if (low) {
        SIO_OE_SET = 1UL << RESET_PIN;
    } else {
        SIO_OE_CLEAR = 1UL << RESET_PIN;
    }
}

void hal_alarm(uint32_t at_us)
{
    alarm_us = at_us;
    TIMER_ALARM0 = at_us;
}

void hal_alarm_off(void)
{
    TIMER_ARMED = 1;
}

// The UART interrupts when its FIFO falls empty, not while it is: the first bytes go by hand.
static void send_bytes(void)
{
    while (!(UART0_FR & 1 << 5)) {
        const int16_t byte = station_next_byte();
        if (byte < 0) {
            UART0_IMSC = RX_IRQ;
            return;
        }
        UART0_DR = (uint8_t)byte;
    }
    UART0_IMSC = RX_IRQ | TX_IRQ;
}

void hal_host_wake(void)
{
    irq_off();
    send_bytes();
    irq_on();
}

void hal_watchdog_feed(void)
{
    WATCHDOG_LOAD = WATCHDOG_TICKS;
}

_Noreturn void hal_restart(void)
{
    WATCHDOG_SCRATCH0 = RESET_ASKED;
    WATCHDOG_CTRL |= 1UL << 31;
    for (;;) {
    }
}

uint8_t hal_reset_cause(void)
{
    return reset_reason;
}

uint16_t hal_stack_free(void)
{
    return stack_never_used();
}

static void on_alarm(void)
{
    TIMER_INTR = 1;
    station_alarm();
}

static void on_wake(void)
{
    TIMER_INTR = 2;
    TIMER_ALARM1 = TIMER_RAW_LOW + WAKE_US;
}

static void on_dio0(void)
{
    const uint32_t now = hal_now_us();
    GPIO_INTR2 = EDGE_HIGH;
    station_edge(now);
}

static void on_uart(void)
{
    while (!(UART0_FR & 1 << 4)) {
        const uint32_t got = UART0_DR;
        if (got & 0xF00) {
            station_overrun();
        }
        station_byte((uint8_t)got);
    }
    send_bytes();
}

static void set_up_clock(void)
{
    XOSC_STARTUP = 47; // 1 ms
    XOSC_CTRL = 0xFABAA0;
    while (!(XOSC_STATUS & 1UL << 31)) {
    }
    CLK_REF_CTRL = 2;  // crystal
    CLK_SYS_CTRL = 0;  // from clk_ref
    CLK_PERI_CTRL = 1UL << 11;
    WATCHDOG_TICK = CLOCK_HZ / 1000000 | 1UL << 9; // gives the timer its microseconds
    const uint32_t used = 1UL << 5 | 1UL << 8 | 1UL << 16 | 1UL << 21 | 1UL << 22;
    RESETS_CLEAR = used; // IO, pads, SPI0, timer, UART0
    while ((RESETS_DONE & used) != used) {
    }
}

static void set_up_pins(void)
{
    static const uint8_t functions[][2] = {
        {0, FUNCTION_UART},  {1, FUNCTION_UART},  {16, FUNCTION_SPI},       {18, FUNCTION_SPI},
        {19, FUNCTION_SPI},  {NSS, FUNCTION_SIO}, {RESET_PIN, FUNCTION_SIO}, {DIO0, FUNCTION_SIO},
    };
    SIO_OUT_SET = 1UL << NSS;
    SIO_OE_SET = 1UL << NSS;
    for (unsigned i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        GPIO_CTRL(functions[i][0]) = functions[i][1];
    }
    GPIO_INTE2 = EDGE_HIGH;
}

static void set_up_peripherals(void)
{
    SPI0_CPSR = 2; // 6 MHz
    SPI0_CR0 = 7;
    SPI0_CR1 = 1 << 1;
    const uint32_t divider = (uint32_t)(CLOCK_HZ * 4UL / BAUD); // in 64ths of 16 clocks
    UART0_IBRD = divider / 64;
    UART0_FBRD = divider % 64;
    UART0_LCR = 3UL << 5 | 1UL << 4;
    UART0_CR = 1UL << 9 | 1UL << 8 | 1;
    UART0_IMSC = RX_IRQ;
    TIMER_INTE = 3;
    TIMER_ALARM1 = TIMER_RAW_LOW + WAKE_US;
    WATCHDOG_LOAD = WATCHDOG_TICKS;
    WATCHDOG_CTRL = 1UL << 30;
    enable_irq(IRQ_TIMER0);
    enable_irq(IRQ_TIMER1);
    enable_irq(IRQ_GPIO);
    enable_irq(IRQ_UART0);
}

static uint8_t reason(void)
{
    const bool asked = WATCHDOG_SCRATCH0 == RESET_ASKED;
    WATCHDOG_SCRATCH0 = 0;
    if (WATCHDOG_REASON & 3) {
        return asked ? 5 : 4;
    }
    return CHIP_RESET & 1UL << 8 ? 1 : CHIP_RESET & 1UL << 16 ? 2 : 0;
}

static const uintptr_t vectors[48];

_Noreturn void reset(void)
{
    VTOR = (uint32_t)(uintptr_t)vectors;
    start_memory();
    set_up_clock();
    reset_reason = reason();
    set_up_pins();
    set_up_peripherals();
    irq_on();
    station_start();
    for (;;) {
        station_step();
    }
}

static void hang(void)
{
    for (;;) { // until the watchdog
    }
}

__attribute__((section(".vectors"), used, aligned(256))) static const uintptr_t vectors[48] = {
    [0] = (uintptr_t)stack_top,
    [1] = (uintptr_t)reset,
    [2] = (uintptr_t)hang,
    [3] = (uintptr_t)hang,
    [11] = (uintptr_t)hang,
    [14] = (uintptr_t)hang,
    [15] = (uintptr_t)hang,
    [16 + IRQ_TIMER0] = (uintptr_t)on_alarm,
    [16 + IRQ_TIMER1] = (uintptr_t)on_wake,
    [16 + IRQ_GPIO] = (uintptr_t)on_dio0,
    [16 + IRQ_UART0] = (uintptr_t)on_uart,
};
