#include "dbus/bus-source.h"

#include <errno.h>
#include <poll.h>

typedef struct BusSource {
    GSource source;
    sd_bus *bus;
    GPollFD poll_fd; /* owned, so that prepare() may change its events without waking the loop */
    void (*closed)(sd_bus *bus, void *userdata);
    void *userdata;
} BusSource;

static BusSource *bus_source(GSource *source) {
    return (BusSource *)source;
}

/* Microseconds of CLOCK_MONOTONIC until sd-bus wants to run, as milliseconds for poll(), rounded
 * up. */
static int timeout_msec(uint64_t until_usec, gint64 now_usec) {
    if (until_usec == UINT64_MAX) return -1;
    if (until_usec <= (uint64_t)now_usec) return 0;
    return (int)MIN((until_usec - (uint64_t)now_usec + 999) / 1000, (uint64_t)G_MAXINT);
}

static gboolean bus_source_prepare(GSource *source, int *ret_timeout) {
    BusSource *self = bus_source(source);
    uint64_t until_usec = UINT64_MAX;

    int events = sd_bus_get_events(self->bus);
    if (events < 0) return TRUE; /* lost: dispatch says so */
    if (sd_bus_get_timeout(self->bus, &until_usec) < 0) return TRUE;
    self->poll_fd.fd = sd_bus_get_fd(self->bus);
    self->poll_fd.events = (gushort)events;
    *ret_timeout = timeout_msec(until_usec, g_source_get_time(source));
    return *ret_timeout == 0;
}

static gboolean bus_source_check(GSource *source) {
    BusSource *self = bus_source(source);
    uint64_t until_usec = UINT64_MAX;

    if (self->poll_fd.revents) return TRUE;
    if (sd_bus_get_timeout(self->bus, &until_usec) < 0) return TRUE;
    return timeout_msec(until_usec, g_source_get_time(source)) == 0;
}

static gboolean bus_source_dispatch(GSource *source, GSourceFunc callback, void *data) {
    BusSource *self = bus_source(source);

    if (sd_bus_process(self->bus, NULL) >= 0 && sd_bus_is_open(self->bus) > 0)
        return G_SOURCE_CONTINUE;
    /* Closed by what it called: then nobody wants to know, and `userdata` may be gone. */
    if (!g_source_is_destroyed(source) && self->closed) self->closed(self->bus, self->userdata);
    return G_SOURCE_REMOVE;
}

static void bus_source_finalize(GSource *source) {
    BusSource *self = bus_source(source);
    self->bus = sd_bus_unref(self->bus);
}

static GSourceFuncs bus_source_funcs = {
    .prepare = bus_source_prepare,
    .check = bus_source_check,
    .dispatch = bus_source_dispatch,
    .finalize = bus_source_finalize,
};

GSource *bus_source_new(sd_bus *bus, GMainContext *context,
                        void (*closed)(sd_bus *bus, void *userdata), void *userdata) {
    GSource *source = g_source_new(&bus_source_funcs, sizeof(BusSource));
    BusSource *self = bus_source(source);

    self->bus = sd_bus_ref(bus);
    self->closed = closed;
    self->userdata = userdata;
    self->poll_fd.fd = sd_bus_get_fd(bus);
    g_source_set_static_name(source, "sd-bus");
    g_source_add_poll(source, &self->poll_fd);
    g_source_attach(source, context);
    return source;
}

void bus_source_free(GSource *source) {
    if (!source) return;
    g_source_destroy(source);
    g_source_unref(source);
}
