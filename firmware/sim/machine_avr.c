// An ATmega328P in simavr with the real image. What simavr 1.6 does otherwise than the chip is put
// right here: the time of an SPI byte, ten bits a UART byte, and a receive FIFO of two bytes.
#include "machine.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <avr_ioport.h>
#include <avr_spi.h>
#include <avr_uart.h>
#include <sim_avr.h>
#include <sim_cycle_timers.h>
#include <sim_elf.h>
#include <sim_io.h>
#pragma GCC diagnostic pop

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CLOCK_HZ = 16000000, SEND_QUEUE = 1 << 16 };
enum { AT_PORTB = 0x25, AT_DDRB = 0x24, AT_SPSR = 0x4D, AT_SPDR = 0x4E };
enum { AT_RAM = 0x100, RAM_BYTES = 2048 };
enum { AT_MCUSR = 0x54, AT_UCSRA = 0xC0, AT_UBRRL = 0xC4, AT_UBRRH = 0xC5, NSS = 1 << 2, RESET = 1 << 1 };

struct sx1276 machine_radio;

static avr_t *avr;
static avr_run_t usual_run;
static avr_uart_t *uart;
static avr_irq_t *dio0_pin;
static avr_irq_t *spi_in;
static const struct machine_hooks *hooks;
static const struct sx1276_hooks *outer;
static struct sx1276_hooks inner;
static uint8_t port_b;
static uint8_t direction_b;
static uint8_t spi_out;
static bool spi_stuck;
static avr_cycle_count_t next_in;
static uint8_t queue[SEND_QUEUE];
static size_t queue_from;
static size_t queue_to;

static uint64_t to_ns(avr_cycle_count_t cycles)
{
    return cycles * 125U / 2U;
}

uint64_t machine_now_ns(void)
{
    return to_ns(avr->cycle);
}

static avr_cycle_count_t spi_done(avr_t *cpu, avr_cycle_count_t when, void *param)
{
    (void)cpu;
    (void)when;
    (void)param;
    sx1276_advance(&machine_radio, machine_now_ns());
    avr_raise_irq(spi_in, sx1276_exchange(&machine_radio, spi_out));
    return 0;
}

static void write_spdr(avr_t *cpu, avr_io_addr_t address, uint8_t value, void *param)
{
    (void)param;
    static const uint8_t dividers[8] = {4, 16, 64, 128, 2, 8, 32, 64};
    const uint8_t speed = (uint8_t)((cpu->data[0x4C] & 3) | (cpu->data[AT_SPSR] & 1) << 2);
    cpu->data[address] = value;
    spi_out = value;
    if (!spi_stuck) {
        avr_cycle_timer_register(cpu, 8U * dividers[speed], spi_done, NULL);
    }
}

static void uart_byte(avr_irq_t *irq, uint32_t value, void *param)
{
    (void)irq;
    (void)param;
    hooks->host_byte(machine_now_ns(), (uint8_t)value);
}

static void dio0(bool level)
{
    avr_raise_irq(dio0_pin, level);
    outer->dio0(level);
}

static void no_sleep(avr_t *cpu, avr_cycle_count_t cycles)
{
    (void)cpu;
    (void)cycles;
}

static avr_uart_t *find_uart(void)
{
    for (avr_io_t *io = avr->io_port; io != NULL; io = io->next) {
        if (strcmp(io->kind, "uart") == 0) {
            return (avr_uart_t *)io;
        }
    }
    return NULL;
}

static void connect(void)
{
    avr->frequency = CLOCK_HZ;
    avr->sleep = no_sleep;
    uart = find_uart();
    uart->flags = 0;
    dio0_pin = avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('D'), 2);
    spi_in = avr_io_getirq(avr, AVR_IOCTL_SPI_GETIRQ(0), SPI_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT),
                            uart_byte, NULL);
    avr->io[AVR_DATA_TO_IO(AT_SPDR)].w.c = write_spdr;
    avr->io[AVR_DATA_TO_IO(AT_SPDR)].w.param = NULL;
}

// simavr tells of every section on standard output, which is ours.
static bool read_image(const char *path, elf_firmware_t *firmware)
{
    fflush(stdout);
    const int kept = dup(STDOUT_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    const int failed = elf_read_firmware(path, firmware);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    return failed == 0;
}

bool machine_start(const char *image, const struct sx1276_hooks *radio_hooks,
                   const struct machine_hooks *machine_hooks, uint32_t baud)
{
    (void)baud; // the firmware sets it
    static elf_firmware_t firmware;
    hooks = machine_hooks;
    outer = radio_hooks;
    inner = *radio_hooks;
    inner.dio0 = dio0;
    if (image == NULL || !read_image(image, &firmware)) {
        return false;
    }
    avr = avr_make_mcu_by_name("atmega328p");
    avr_init(avr);
    avr->log = LOG_ERROR;
    avr_load_firmware(avr, &firmware);
    connect();
    usual_run = avr->run;
    avr->data[AT_MCUSR] = 1 << 0; // power on
    sx1276_init(&machine_radio, &inner);
    hooks->reset(0);
    return true;
}

static avr_cycle_count_t cycles_per_byte(void)
{
    const unsigned divider = (unsigned)avr->data[AT_UBRRL] | (unsigned)avr->data[AT_UBRRH] << 8;
    return (avr_cycle_count_t)(divider + 1) * (avr->data[AT_UCSRA] & 2 ? 8 : 16) * 10;
}

static void feed_uart(void)
{
    if (queue_from == queue_to || avr->cycle < next_in) {
        return;
    }
    const avr_cycle_count_t per_byte = cycles_per_byte();
    next_in = avr->cycle + per_byte;
    const uint8_t byte = queue[queue_from];
    queue_from = (queue_from + 1) % SEND_QUEUE;
    if (!(avr->data[0xC1] & 0x10)) {
        return; // the receiver is off, as during a reset
    }
    if (((uart->input.write - uart->input.read) & 63) >= 3) {
        hooks->overrun(machine_now_ns());
        return;
    }
    avr_raise_irq(uart->io.irq + UART_IRQ_INPUT, byte);
}

static void watch_pins(void)
{
    const uint8_t port = avr->data[AT_PORTB];
    const uint8_t direction = avr->data[AT_DDRB];
    if (direction_b & NSS && !(direction & NSS)) { // only a reset makes it an input again
        machine_radio.selected = false;
        spi_stuck = false;
        port_b = port;
        direction_b = direction;
        hooks->reset(machine_now_ns());
        return;
    }
    if ((port ^ port_b) & NSS && direction & NSS) {
        sx1276_select(&machine_radio, !(port & NSS));
    }
    if ((direction ^ direction_b) & RESET) {
        sx1276_reset_pin(&machine_radio, (direction & RESET) != 0);
    }
    port_b = port;
    direction_b = direction;
}

static avr_cycle_count_t wake(avr_t *cpu, avr_cycle_count_t when, void *param)
{
    (void)cpu;
    (void)when;
    (void)param;
    return 0;
}

static avr_cycle_count_t to_cycles(uint64_t ns)
{
    return (ns * 2U + 124U) / 125U;
}

static uint64_t fed_ns(uint64_t limit)
{
    const uint64_t at = to_ns(next_in);
    return queue_from != queue_to && at < limit ? at : limit;
}

// A watchdog's reset comes as another `run` function. It wipes the RAM, which the chip keeps.
static void run_one(void)
{
    static uint8_t ram[RAM_BYTES];
    const bool resets = avr->run != usual_run;
    if (resets) {
        memcpy(ram, avr->data + AT_RAM, sizeof ram);
    }
    avr_run(avr);
    if (resets) {
        memcpy(avr->data + AT_RAM, ram, sizeof ram);
    }
}

void machine_run_until(uint64_t ns)
{
    while (machine_now_ns() < ns) {
        const uint64_t now = machine_now_ns();
        uint64_t next = fed_ns(sx1276_next_ns(&machine_radio, ns));
        if (next <= now) {
            feed_uart();
            sx1276_advance(&machine_radio, now);
            next = now + 1;
        }
        const avr_cycle_count_t until = to_cycles(next);
        uart->cycles_per_byte = cycles_per_byte();
        avr_cycle_timer_cancel(avr, wake, NULL);
        avr_cycle_timer_register(avr, until > avr->cycle ? until - avr->cycle : 1, wake, NULL);
        do {
            const avr_cycle_count_t before = avr->cycle;
            run_one();
            if (avr->cycle < before) {
                break;
            }
            if (avr->data[AT_PORTB] != port_b || avr->data[AT_DDRB] != direction_b) {
                sx1276_advance(&machine_radio, machine_now_ns());
                watch_pins();
                break; // a transmission may have begun: look again at what comes next
            }
        } while (avr->cycle < until);
    }
    sx1276_advance(&machine_radio, machine_now_ns());
}

bool machine_send(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const size_t to = (queue_to + 1) % SEND_QUEUE;
        if (to == queue_from) {
            return false;
        }
        queue[queue_to] = bytes[i];
        queue_to = to;
    }
    return true;
}

void machine_reset(void)
{
    queue_from = queue_to;
    avr_reset(avr);
    avr->data[AT_MCUSR] = 1 << 1; // external reset
}

void machine_stick_spi(void)
{
    spi_stuck = true;
}
