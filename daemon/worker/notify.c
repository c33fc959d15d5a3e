#include "worker/notify.h"

#include <systemd/sd-daemon.h>

/* Loading asks for time more often than it gets it. */
#define LOADING_SEC 5
#define LOADING_MORE_USEC (30 * G_USEC_PER_SEC)

struct Notify {
    Scheduler *scheduler; /* NULL: not ready, or leaving */
    guint timer;          /* 0: none */
    bool busy;
};

static void loading_extend(void) {
    sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" G_GINT64_FORMAT, (gint64)LOADING_MORE_USEC);
}

static gboolean handle_loading(gpointer userdata) {
    loading_extend();
    return G_SOURCE_CONTINUE;
}

static gboolean handle_watchdog(gpointer userdata) {
    Notify *self = userdata;
    if (scheduler_is_alive(self->scheduler)) sd_notify(0, "WATCHDOG=1");
    return G_SOURCE_CONTINUE;
}

Notify *notify_new(void) {
    Notify *self = g_new0(Notify, 1);

    sd_notify(0, "STATUS=Loading");
    loading_extend();
    self->timer = g_timeout_add_seconds(LOADING_SEC, handle_loading, self);
    return self;
}

static void timer_remove(Notify *self) {
    if (self->timer) g_source_remove(self->timer);
    self->timer = 0;
}

void notify_free(Notify *self) {
    if (!self) return;
    timer_remove(self);
    g_free(self);
}

void notify_ready(Notify *self, Scheduler *scheduler) {
    uint64_t period_usec;

    timer_remove(self);
    self->scheduler = scheduler;
    if (sd_watchdog_enabled(0, &period_usec) > 0)
        self->timer = g_timeout_add((guint)MAX(period_usec / 2000, 1), handle_watchdog, self);
    sd_notify(0, "READY=1\nSTATUS=Idle");
}

void notify_set_busy(Notify *self, bool busy) {
    if (!self->scheduler || busy == self->busy) return;
    self->busy = busy;
    sd_notify(0, busy ? "STATUS=Computing" : "STATUS=Idle");
}

void notify_failed(Notify *self, int error, const char *why) {
    g_autofree char *line = g_strdup(why);

    timer_remove(self);
    /* A line's end would begin another assignment, and names in files may have one. */
    for (char *c = line; *c; c++)
        if (g_ascii_iscntrl(*c)) *c = ' ';
    sd_notifyf(0, "STATUS=The model cannot be loaded: %s\nERRNO=%d", line, error);
}

void notify_stopping(Notify *self) {
    timer_remove(self);
    self->scheduler = NULL;
    sd_notify(0, "STOPPING=1\nSTATUS=Leaving");
}
