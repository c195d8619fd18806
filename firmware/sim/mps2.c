// Start of check.c on QEMU's mps2-an385 (Cortex-M3): no hardware, all talk by semihosting.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SYS_GET_CMDLINE = 0x15, COMMAND_LINE = 512 };

int main(int count, char **words);
void initialise_monitor_handles(void);
extern uint8_t bss_begin;
extern uint8_t bss_end;
extern uint8_t stack_top;

static long semihost(long operation, void *argument)
{
    register long r0 __asm__("r0") = operation;
    register void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void reset(void)
{
    static char line[COMMAND_LINE];
    struct {
        char *text;
        uint32_t size;
    } block = {line, sizeof line};
    memset(&bss_begin, 0, (size_t)(&bss_end - &bss_begin));
    initialise_monitor_handles();
    char *words[2] = {line, NULL};
    int count = 1;
    if (semihost(SYS_GET_CMDLINE, &block) == 0) {
        char *space = strchr(line, ' ');
        if (space != NULL) {
            *space = '\0';
            words[count++] = space + 1;
        }
    }
    exit(main(count, words));
}

// The C library asks for these at exit.
void _init(void);
void _fini(void);
void _init(void)
{
}
void _fini(void)
{
}

static void hang(void)
{
    exit(2);
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[] = {
    (uintptr_t)&stack_top, (uintptr_t)reset, (uintptr_t)hang, (uintptr_t)hang,
    (uintptr_t)hang,       (uintptr_t)hang,  (uintptr_t)hang,
};
