#include "client/interrupt.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/failure.h"

struct Interrupt {
    struct sigaction before;
    void (*interrupted)(void *userdata);
    void *userdata;
    guint source;
};

/* All that a signal handler may touch. */
static volatile sig_atomic_t n_signals;
static int wake_fd = -1;

static void signal_handle(int number) {
    static const uint64_t one = 1;
    int error = errno;
    if (++n_signals > 1) {
        (void)!write(STDERR_FILENO, "\n", 1);
        _exit(EXIT_INTERRUPTED);
    }
    (void)!write(wake_fd, &one, sizeof one);
    errno = error;
}

static gboolean woken(int fd, GIOCondition condition, void *userdata) {
    Interrupt *interrupt = userdata;
    interrupt->source = 0;
    interrupt->interrupted(interrupt->userdata);
    return G_SOURCE_REMOVE;
}

Interrupt *interrupt_new(void (*interrupted)(void *userdata), void *userdata) {
    const struct sigaction action = {.sa_handler = signal_handle, .sa_flags = SA_RESTART};
    Interrupt *interrupt = g_new0(Interrupt, 1);
    interrupt->interrupted = interrupted;
    interrupt->userdata = userdata;
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0) g_error("eventfd: %s", g_strerror(errno));
    n_signals = 0;
    interrupt->source = g_unix_fd_add(wake_fd, G_IO_IN, woken, interrupt);

    sigaction(SIGINT, NULL, &interrupt->before);
    if (interrupt->before.sa_handler != SIG_IGN) sigaction(SIGINT, &action, NULL);
    return interrupt;
}

void interrupt_free(Interrupt *interrupt) {
    if (!interrupt) return;
    sigaction(SIGINT, &interrupt->before, NULL);
    if (interrupt->source) g_source_remove(interrupt->source);
    close(wake_fd);
    wake_fd = -1;
    g_free(interrupt);
}

bool interrupt_happened(const Interrupt *interrupt) {
    return n_signals > 0;
}
