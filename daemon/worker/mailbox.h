/*
 * Everything that crosses between the main thread, which owns the GMainContext and the bus, and the
 * compute thread, which owns the engine, its sequences and the streams. Neither ever waits for the
 * other here.
 *
 *     main ── jobs, cancellations, pings, stop ──▶ compute     (wakes mailbox_fd())
 *     main ◀── opened, finished jobs, load ────── compute     (dispatched by the GMainContext)
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* First member of what is sent. */
struct Mail {
    GList link; /* in one queue at a time: the mailbox's or the receiver's */
    atomic_bool cancelled;
};
void mail_init(struct Mail *mail);

/* What the compute thread was doing a moment ago. */
struct Load {
    unsigned n_running, n_parked, n_waiting;
    uint64_t sequence_bytes;
};

typedef struct Mailbox Mailbox;

struct MailboxHandlers { /* on the main thread */
    void (*opened)(void *userdata, int result);
    void (*returned)(void *userdata, struct Mail *mail);
    void *userdata;
};

Mailbox *mailbox_new(GMainContext *context, const struct MailboxHandlers *handlers);
void mailbox_free(Mailbox *self); /* both threads are done with it, and it is empty */

/* ---- Main thread ---- */
void mailbox_submit(Mailbox *self, struct Mail *mail);
/* Of a mail that was submitted and has not been returned. */
void mailbox_cancel(Mailbox *self, struct Mail *mail);
void mailbox_stop(Mailbox *self);
/* Whether the compute thread has answered the ping before; sends the next. */
bool mailbox_ping(Mailbox *self);
struct Load mailbox_load(Mailbox *self);
/* Runs the handlers for what has come until now. */
void mailbox_dispatch(Mailbox *self);

/* ---- Compute thread ---- */
int mailbox_fd(const Mailbox *self); /* readable: something came */
/* Appends what was submitted to `ret` and answers pings. False: asked to stop. */
bool mailbox_take(Mailbox *self, GQueue *ret);
bool mail_is_cancelled(struct Mail *mail);
void mailbox_opened(Mailbox *self, int result);
void mailbox_return(Mailbox *self, struct Mail *mail);
void mailbox_set_load(Mailbox *self, const struct Load *load);
