// What the Cortex-M0+ ports share: start, critical sections, and the watermark of the stack.
// Source: ARM v6-M Architecture Reference Manual; only what is used.
#ifndef CORTEX_M_H
#define CORTEX_M_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

enum { STACK_PAINT = 0x5A5A5A5A };

extern uint32_t data_load[], data_begin[], data_end[], bss_begin[], bss_end[], paint_end[], stack_top[];

static inline void irq_off(void)
{
    __asm__ volatile("cpsid i" ::: "memory");
}

static inline void irq_on(void)
{
    __asm__ volatile("cpsie i" ::: "memory");
}

// With interrupts held off, WFI still wakes for one; it is served when they are let in.
static inline void wait_for_irq(void)
{
    __asm__ volatile("wfi\n cpsie i\n nop\n cpsid i" ::: "memory");
}

static inline uint32_t irqs_held(void)
{
    uint32_t primask;
    __asm__ volatile("mrs %0, primask" : "=r"(primask));
    return primask;
}

static inline void restore_irqs(uint32_t primask)
{
    __asm__ volatile("msr primask, %0" ::"r"(primask) : "memory");
}

static inline void enable_irq(unsigned number)
{
    REGISTER(0xE000E100) = 1UL << number; // NVIC_ISER
}

static inline void start_memory(void)
{
    uint32_t *from = data_load;
    for (uint32_t *to = data_begin; to < data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = bss_begin; to < bss_end;) {
        *to++ = 0;
    }
    for (uint32_t *to = bss_end; to < paint_end; to++) {
        *to = STACK_PAINT;
    }
}

static inline uint16_t stack_never_used(void)
{
    uint32_t free = 0;
    for (const uint32_t *at = bss_end; at < stack_top && *at == STACK_PAINT; at++) {
        free += 4;
    }
    return (uint16_t)(free < 0xFFFE ? free : 0xFFFE);
}

#endif
