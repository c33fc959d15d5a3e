#include "worker/connection.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dbus/bus-source.h"
#include "dbus/names.h"
#include "worker/call.h"
#include "worker/worker-bus.h"
#include "worker/worker.h"

/* How long a peer that does not read can delay our exit. */
#define FLUSH_MSEC 1000

struct Connection {
    Worker *worker;
    sd_bus *bus;
    GSource *source;
    GPtrArray *calls; /* Call *, of themselves */
};

bool connection_peer_is_allowed(int fd, uid_t uid) {
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return false;
    return peer.uid == 0 || peer.uid == geteuid() || peer.uid == uid;
}

static void handle_closed(sd_bus *bus, void *userdata) {
    Connection *self = userdata;
    worker_remove_connection(self->worker, self);
}

static int bus_prepare(sd_bus *bus, Connection *connection) {
    sd_id128_t id;

    int r = sd_id128_randomize(&id);
    if (r >= 0) r = sd_bus_set_server(bus, 1, id);
    if (r >= 0) r = sd_bus_set_anonymous(bus, 1);
    if (r >= 0) r = sd_bus_negotiate_fds(bus, 1);
    if (r >= 0) r = worker_bus_add(bus, connection);
    return r;
}

/* Takes `fd`, which is the bus's from sd_bus_set_fd() on. */
static int bus_open(int fd, Connection *connection, sd_bus **ret) {
    sd_bus *bus = NULL;

    int r = sd_bus_new(&bus);
    if (r >= 0) r = bus_prepare(bus, connection);
    if (r >= 0) r = sd_bus_set_fd(bus, fd, fd);
    if (r < 0) close(fd);
    if (r >= 0) r = sd_bus_start(bus);
    if (r < 0) {
        sd_bus_unref(bus);
        return r;
    }
    *ret = bus;
    return 0;
}

int connection_new(Worker *worker, int fd, Connection **ret) {
    Connection *self = g_new0(Connection, 1);

    int r = bus_open(fd, self, &self->bus);
    if (r < 0) {
        g_free(self);
        return r;
    }
    self->worker = worker;
    self->calls = g_ptr_array_new();
    self->source =
        bus_source_new(self->bus, g_main_context_get_thread_default(), handle_closed, self);
    *ret = self;
    return 0;
}

void connection_free(Connection *self) {
    if (!self) return;
    for (guint i = 0; i < self->calls->len; i++) call_orphan(self->calls->pdata[i]);
    g_ptr_array_unref(self->calls);
    bus_source_free(self->source);
    sd_bus_close(self->bus);
    sd_bus_unref(self->bus);
    g_free(self);
}

Worker *connection_worker(const Connection *self) {
    return self->worker;
}

sd_bus *connection_bus(const Connection *self) {
    return self->bus;
}

void connection_add_call(Connection *self, Call *call) {
    g_ptr_array_add(self->calls, call);
}

void connection_remove_call(Connection *self, Call *call) {
    g_ptr_array_remove(self->calls, call);
}

Call *connection_find_call(const Connection *self, uint64_t id) {
    for (guint i = 0; i < self->calls->len; i++) {
        const uint64_t *other = call_id(self->calls->pdata[i]);
        if (other && *other == id) return self->calls->pdata[i];
    }
    return NULL;
}

bool connection_has_unread(const Connection *self) {
    struct pollfd poll_fd = {.fd = sd_bus_get_fd(self->bus), .events = POLLIN};
    uint64_t timeout_usec = UINT64_MAX;

    if (sd_bus_is_ready(self->bus) <= 0) return true; /* still introducing itself */
    /* 0: messages were read from the socket and wait inside sd-bus */
    if (sd_bus_get_timeout(self->bus, &timeout_usec) >= 0 && timeout_usec == 0) return true;
    return poll(&poll_fd, 1, 0) > 0;
}

void connection_pause(Connection *self) {
    g_clear_pointer(&self->source, bus_source_free);
}

void connection_say_closing(Connection *self) {
    struct pollfd poll_fd = {.fd = sd_bus_get_fd(self->bus), .events = POLLOUT};

    sd_bus_emit_signal(self->bus, WORKER_PATH, WORKER_INTERFACE, "Closing", NULL);
    /* sd_bus_flush() alone would wait for ever */
    if (sd_bus_get_events(self->bus) & POLLOUT && poll(&poll_fd, 1, FLUSH_MSEC) <= 0) return;
    sd_bus_flush(self->bus);
}
