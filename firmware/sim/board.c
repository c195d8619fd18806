// The simulated board as a program: in lock-step on standard input and output, or in real time
// behind a pseudo-terminal that looks like its USB port. firmware/README.md says how to use it.
#define _GNU_SOURCE
#include "bench.h"
#include "json.h"
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 16384, SLICE_NS = 1000000, BEHIND_NS = 200000000 };

static struct {
    const char *image;
    const char *socket_path;
    const char *link_path;
    uint32_t baud;
    bool pty;
    bool keep_running; // do not reset the board when its port is opened
} options = {.baud = 500000};

static int master = -1;
static int listener = -1;
static int client = -1;
static bool port_open;

// ---- What the board says ------------------------------------------------------------------------

static void say(const char *line, size_t length)
{
    if (options.socket_path == NULL) {
        fwrite(line, 1, length, stdout);
        if (options.pty || strncmp(line, "{\"event\":\"ran\"", 14) == 0) {
            fflush(stdout);
        }
    } else if (client >= 0 && send(client, line, length, MSG_NOSIGNAL) < 0) {
        close(client);
        client = -1;
    }
}

static uint8_t out[4096];
static size_t out_count;

static void host_byte(uint64_t at_ns, uint8_t byte)
{
    (void)at_ns;
    if (port_open && out_count < sizeof out) { // nobody listens to a closed port
        out[out_count++] = byte;
    }
}

// ---- Lines of commands --------------------------------------------------------------------------

struct lines {
    char text[LINE];
    size_t length;
};

static void open_port(void);

static void obey(const char *line)
{
    char command[24] = "";
    (void)json_text(line, "cmd", command, sizeof command);
    if (options.pty && strcmp(command, "replug") == 0) {
        open_port();
    } else {
        bench_command(line);
    }
}

// Read what is there and obey whole lines. Return false at the end.
static bool read_lines(int file, struct lines *lines)
{
    const ssize_t got = read(file, lines->text + lines->length, LINE - 1 - lines->length);
    if (got <= 0) {
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    }
    lines->length += (size_t)got;
    lines->text[lines->length] = '\0';
    char *from = lines->text;
    for (char *end = strchr(from, '\n'); end != NULL; end = strchr(from, '\n')) {
        *end = '\0';
        if (*from != '\0') {
            obey(from);
        }
        from = end + 1;
    }
    lines->length -= (size_t)(from - lines->text);
    memmove(lines->text, from, lines->length);
    if (lines->length == LINE - 1) {
        lines->length = 0; // no such line is meant
    }
    return true;
}

// ---- The port -----------------------------------------------------------------------------------

static void announce(const char *path)
{
    char line[256];
    if (options.link_path != NULL) {
        (void)unlink(options.link_path);
        if (symlink(path, options.link_path) != 0) {
            perror(options.link_path);
        }
    }
    const int length = snprintf(line, sizeof line, "{\"event\":\"port\",\"path\":\"%s\"}\n", path);
    say(line, (size_t)length);
    if (options.socket_path != NULL) {
        fputs(line, stdout);
        fflush(stdout);
    }
}

// Make a new pseudo-terminal, under another name while the old one is still held.
static void open_port(void)
{
    const int old = master;
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
        perror("pseudo-terminal");
        exit(1);
    }
    const char *path = ptsname(master);
    const int slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios raw;
    if (slave >= 0 && tcgetattr(slave, &raw) == 0) {
        cfmakeraw(&raw);
        tcsetattr(slave, TCSANOW, &raw);
    }
    close(slave); // from here POLLHUP says that nobody has it open
    if (old >= 0) {
        close(old);
    }
    port_open = false;
    out_count = 0;
    announce(path);
}

static void watch_port(short events)
{
    const bool open_now = !(events & POLLHUP);
    if (open_now && !port_open && !options.keep_running) {
        machine_reset(); // as DTR does on an Arduino
    }
    if (!open_now) {
        out_count = 0;
    }
    port_open = open_now;
}

static void move_bytes(void)
{
    uint8_t in[512];
    if (out_count != 0) {
        const ssize_t put = write(master, out, out_count);
        if (put > 0) {
            out_count -= (size_t)put;
            memmove(out, out + put, out_count);
        }
    }
    const ssize_t got = read(master, in, sizeof in);
    if (got > 0) {
        (void)machine_send(in, (size_t)got);
    }
}

// ---- Real time ----------------------------------------------------------------------------------

static uint64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void open_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(options.socket_path) >= sizeof address.sun_path) {
        fputs("the path of the socket is too long\n", stderr);
        exit(2);
    }
    strcpy(address.sun_path, options.socket_path);
    (void)unlink(options.socket_path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1) != 0) {
        perror(options.socket_path);
        exit(1);
    }
}

static struct lines lines;

static bool serve_commands(const struct pollfd *ask)
{
    if (options.socket_path == NULL) {
        return !(ask->revents & (POLLIN | POLLHUP)) || read_lines(STDIN_FILENO, &lines);
    }
    if (client < 0 && ask->revents & POLLIN) {
        client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        lines.length = 0;
    } else if (client >= 0 && ask->revents & (POLLIN | POLLHUP) && !read_lines(client, &lines)) {
        close(client);
        client = -1;
    }
    return true;
}

static int command_file(void)
{
    if (options.socket_path == NULL) {
        return STDIN_FILENO;
    }
    return client >= 0 ? client : listener;
}

// Sleep until the wall clock is one slice further; forgive what cannot be caught up with.
static void keep_pace(uint64_t *begin_ns)
{
    const uint64_t wall = wall_ns();
    const uint64_t due = *begin_ns + machine_now_ns();
    if (due > wall) {
        const struct timespec rest = {.tv_nsec = (long)(due - wall) % 1000000000L};
        nanosleep(&rest, NULL);
    } else if (wall - due > BEHIND_NS) {
        *begin_ns = wall - machine_now_ns();
    }
}

static int run_in_real_time(void)
{
    if (options.socket_path != NULL) {
        open_socket();
    }
    open_port();
    uint64_t begin_ns = wall_ns() - machine_now_ns();
    for (;;) {
        struct pollfd ask[2] = {{.fd = master, .events = POLLIN},
                                {.fd = command_file(), .events = POLLIN}};
        poll(ask, 2, 0);
        watch_port(ask[0].revents);
        if (!serve_commands(&ask[1])) {
            return 0;
        }
        machine_run_until(machine_now_ns() + SLICE_NS);
        move_bytes();
        keep_pace(&begin_ns);
    }
}

static int run_in_lock_step(void)
{
    while (read_lines(STDIN_FILENO, &lines)) {
    }
    bench_flush();
    return 0;
}

// ---- Main ---------------------------------------------------------------------------------------

static int usage(void)
{
    fputs("board [--image ELF] [--baud N] [--pty [--radio-socket PATH] [--link PATH]\n"
          "      [--keep-running]]\n"
          "without --pty: lock-step, commands on standard input\n",
          stderr);
    return 2;
}

static bool read_options(int count, char **words)
{
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        const char *value = i + 1 < count ? words[i + 1] : NULL;
        if (strcmp(word, "--pty") == 0) {
            options.pty = true;
            continue;
        }
        if (strcmp(word, "--keep-running") == 0) {
            options.keep_running = true;
            continue;
        }
        if (value == NULL) {
            return false;
        }
        i++;
        if (strcmp(word, "--image") == 0) {
            options.image = value;
        } else if (strcmp(word, "--radio-socket") == 0) {
            options.socket_path = value;
        } else if (strcmp(word, "--link") == 0) {
            options.link_path = value;
        } else if (strcmp(word, "--baud") == 0) {
            options.baud = (uint32_t)strtoul(value, NULL, 10);
        } else {
            return false;
        }
    }
    return options.baud != 0 && (options.pty || options.socket_path == NULL);
}

int main(int count, char **words)
{
    static const struct bench_hooks on_pty = {say, host_byte};
    static const struct bench_hooks in_step = {say, NULL};
    if (!read_options(count, words)) {
        return usage();
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM); // no simulator outlives the test that started it
    signal(SIGPIPE, SIG_IGN);
    if (!bench_start(options.image, options.baud, options.pty ? &on_pty : &in_step)) {
        fprintf(stderr, "cannot load %s\n", options.image ? options.image : "(no --image)");
        return 1;
    }
    return options.pty ? run_in_real_time() : run_in_lock_step();
}
