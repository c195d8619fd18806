// B-L072Z-LRWAN1 (STM32L072CZ with an SX1276 in one module). Compile-only: never run on a board here.
// SX1276: SCK PB3, MISO PA6, MOSI PA7, NSS PA15, RESET PC0, DIO0 PB4, TCXO supply PA12; antenna
// switch: RX PA1, TX by RFO PC2, TX by PA_BOOST PC1. Host: USART2 on PA2 and PA3 (ST-LINK).
// Sources: ST RM0376 (registers), UM2115 and the module's datasheet (pins).
#include "../../core/hal.h"
#include "../cortex_m.h"

#ifndef BAUD
#define BAUD 500000UL
#endif

enum { CLOCK_HZ = 16000000 }; // HSI16

#define RCC_CR REGISTER(0x40021000)
#define RCC_CFGR REGISTER(0x4002100C)
#define RCC_IOPENR REGISTER(0x4002102C)
#define RCC_APB2ENR REGISTER(0x40021034)
#define RCC_APB1ENR REGISTER(0x40021038)
#define RCC_CSR REGISTER(0x40021050)
#define GPIO(port, offset) REGISTER(0x50000000UL + 0x400UL * (port) + (offset))
#define MODER(port) GPIO(port, 0x00)
#define BSRR(port) GPIO(port, 0x18)
#define AFRL(port) GPIO(port, 0x20)
#define SPI1_CR1 REGISTER(0x40013000)
#define SPI1_SR REGISTER(0x40013008)
#define SPI1_DR (*(volatile uint8_t *)0x4001300C)
#define USART2_CR1 REGISTER(0x40004400)
#define USART2_BRR REGISTER(0x4000440C)
#define USART2_ISR REGISTER(0x4000441C)
#define USART2_ICR REGISTER(0x40004420)
#define USART2_RDR REGISTER(0x40004424)
#define USART2_TDR REGISTER(0x40004428)
#define TIM2_CR1 REGISTER(0x40000000)
#define TIM2_DIER REGISTER(0x4000000C)
#define TIM2_SR REGISTER(0x40000010)
#define TIM2_EGR REGISTER(0x40000014)
#define TIM2_CNT REGISTER(0x40000024)
#define TIM2_PSC REGISTER(0x40000028)
#define TIM2_ARR REGISTER(0x4000002C)
#define TIM2_CCR1 REGISTER(0x40000034)
#define EXTI_IMR REGISTER(0x40010400)
#define EXTI_RTSR REGISTER(0x40010408)
#define EXTI_PR REGISTER(0x40010414)
#define SYSCFG_EXTICR2 REGISTER(0x4001000C)
#define IWDG_KR REGISTER(0x40003000)
#define IWDG_PR REGISTER(0x40003004)
#define IWDG_RLR REGISTER(0x40003008)
#define SYST_CSR REGISTER(0xE000E010)
#define SYST_RVR REGISTER(0xE000E014)
#define AIRCR REGISTER(0xE000ED0C)

enum { A, B, C };
enum { IRQ_EXTI4_15 = 7, IRQ_TIM2 = 15, IRQ_USART2 = 28 };
enum { TXE = 1 << 7, RXNE = 1 << 5, TXEIE = 1 << 7, LOST = 0x0A };

const uint8_t hal_board = 2;
const uint8_t hal_alarm_lead_us = 10; // reckoned from the instruction count, not measured

static const uint32_t RESET_ASKED = 0x600DBEEF;
static volatile uint32_t reset_mark __attribute__((section(".noinit")));
static volatile uint32_t timer_upper; // TIM2 has 16 bits here
static volatile uint32_t alarm_us;
static volatile bool alarm_on;
static uint8_t reset_reason;

static void set_pin_mode(unsigned port, unsigned pin, uint32_t mode)
{
    MODER(port) = (MODER(port) & ~(3UL << 2 * pin)) | mode << 2 * pin;
}

static void set_pin(unsigned port, unsigned pin, bool high)
{
    BSRR(port) = 1UL << (high ? pin : pin + 16);
}

// To the transmitter for a transmission, to the receiver after any edge of DIO0 or a reset.
static void set_antenna(bool transmit)
{
    set_pin(A, 1, !transmit);
    set_pin(C, 1, transmit);
}

uint32_t hal_now_us(void)
{
    const uint32_t held = irqs_held();
    irq_off();
    uint32_t low = TIM2_CNT & 0xFFFFU;
    uint32_t upper = timer_upper;
    if (TIM2_SR & 1) { // a wrap whose interrupt still waits
        low = TIM2_CNT & 0xFFFFU;
        upper += 0x10000UL;
    }
    restore_irqs(held);
    return upper | low;
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
    set_pin(A, 15, !selected);
}

uint8_t hal_radio_exchange(uint8_t out)
{
    SPI1_DR = out;
    while (!(SPI1_SR & 1)) {
    }
    return SPI1_DR;
}

void hal_radio_reset(bool low)
{
    set_antenna(false);
    set_pin(C, 0, false);
    set_pin_mode(C, 0, low ? 1 : 3);
}

void hal_alarm(uint32_t at_us)
{
    alarm_us = at_us;
    TIM2_CCR1 = at_us & 0xFFFFU;
    alarm_on = true;
}

void hal_alarm_off(void)
{
    alarm_on = false;
}

void hal_host_wake(void)
{
    irq_off();
    USART2_CR1 |= TXEIE;
    irq_on();
}

void hal_watchdog_feed(void)
{
    IWDG_KR = 0xAAAA;
}

_Noreturn void hal_restart(void)
{
    reset_mark = RESET_ASKED;
    AIRCR = 0x05FA0004;
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

static void on_timer(void)
{
    const uint32_t flags = TIM2_SR;
    TIM2_SR = ~flags; // written 0, cleared; written 1, left
    if (flags & 1) {
        timer_upper += 0x10000UL;
    }
    if (alarm_on && (int32_t)(hal_now_us() - alarm_us) >= 0) {
        alarm_on = false;
        set_antenna(true);
        station_alarm();
    }
}

static void on_dio0(void)
{
    const uint32_t now = hal_now_us();
    EXTI_PR = 1UL << 4;
    set_antenna(false);
    station_edge(now);
}

static void on_usart(void)
{
    const uint32_t status = USART2_ISR;
    if (status & LOST) {
        USART2_ICR = LOST;
        station_overrun();
    }
    if (status & RXNE) {
        station_byte((uint8_t)USART2_RDR);
    }
    if (status & TXE && USART2_CR1 & TXEIE) {
        const int16_t byte = station_next_byte();
        if (byte < 0) {
            USART2_CR1 &= ~(uint32_t)TXEIE;
        } else {
            USART2_TDR = (uint8_t)byte;
        }
    }
}

static void on_tick(void)
{
}

static void set_up_clock(void)
{
    RCC_CR |= 1; // HSI16
    while (!(RCC_CR & (1 << 2))) {
    }
    RCC_CFGR = (RCC_CFGR & ~3UL) | 1;
    RCC_IOPENR |= 7;
    RCC_APB2ENR |= 1UL << 12 | 1; // SPI1, SYSCFG
    RCC_APB1ENR |= 1UL << 17 | 1; // USART2, TIM2
}

static void set_up_pins(void)
{
    static const uint8_t outputs[][2] = {{A, 15}, {A, 12}, {A, 1}, {C, 1}, {C, 2}};
    for (unsigned i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        set_pin(outputs[i][0], outputs[i][1], i < 3); // NSS high, TCXO on, antenna to the receiver
        set_pin_mode(outputs[i][0], outputs[i][1], 1);
    }
    set_pin_mode(A, 6, 2);
    set_pin_mode(A, 7, 2);
    set_pin_mode(B, 3, 2); // SPI1 is alternate function 0
    AFRL(A) |= 4UL << 8 | 4UL << 12;
    set_pin_mode(A, 2, 2);
    set_pin_mode(A, 3, 2);
    set_pin_mode(B, 4, 0);
    SYSCFG_EXTICR2 = 1; // line 4 is port B
    EXTI_RTSR |= 1UL << 4;
    EXTI_IMR |= 1UL << 4;
}

static void set_up_peripherals(void)
{
    SPI1_CR1 = 1UL << 9 | 1UL << 8 | 1UL << 2; // software NSS, master, 8 MHz
    SPI1_CR1 |= 1UL << 6;
    USART2_BRR = CLOCK_HZ / BAUD;
    USART2_CR1 = 1UL << 5 | 1UL << 3 | 1UL << 2 | 1;
    TIM2_PSC = CLOCK_HZ / 1000000 - 1;
    TIM2_ARR = 0xFFFF;
    TIM2_EGR = 1;
    TIM2_SR = 0;
    TIM2_DIER = 1 << 1 | 1;
    TIM2_CR1 = 1;
    SYST_RVR = CLOCK_HZ / 1000 - 1;
    SYST_CSR = 7;
    IWDG_KR = 0xCCCC;
    IWDG_KR = 0x5555;
    IWDG_PR = 3; // 37 kHz / 32
    IWDG_RLR = 1200;
    enable_irq(IRQ_EXTI4_15);
    enable_irq(IRQ_TIM2);
    enable_irq(IRQ_USART2);
}

static uint8_t reason(void)
{
    const uint32_t flags = RCC_CSR;
    const bool asked = reset_mark == RESET_ASKED;
    reset_mark = 0;
    RCC_CSR |= 1UL << 23;
    if (flags & 1UL << 28) {
        return asked ? 5 : 0;
    }
    if (flags & (1UL << 29 | 1UL << 30)) {
        return 4;
    }
    return flags & 1UL << 27 ? 1 : flags & 1UL << 26 ? 2 : 0;
}

_Noreturn void reset(void)
{
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

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[48] = {
    [0] = (uintptr_t)stack_top,
    [1] = (uintptr_t)reset,
    [2] = (uintptr_t)hang,
    [3] = (uintptr_t)hang,
    [11] = (uintptr_t)hang,
    [14] = (uintptr_t)hang,
    [15] = (uintptr_t)on_tick,
    [16 + IRQ_EXTI4_15] = (uintptr_t)on_dio0,
    [16 + IRQ_TIM2] = (uintptr_t)on_timer,
    [16 + IRQ_USART2] = (uintptr_t)on_usart,
};
