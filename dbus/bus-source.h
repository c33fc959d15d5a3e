/*
 * An sd-bus connection as a source of a GMainContext, so that sd-bus and libsoup share one loop.
 * No sd-event: its descriptor inside a GLib loop races with other threads' sources. The source adds
 * the connection's own descriptor, asks sd-bus before each poll which events and time-out it wants,
 * and processes one message a dispatch, to stay fair to the other sources.
 */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/* Attaches; holds a reference to the bus until the source is destroyed. `closed` (may be NULL) is
 * called once when the connection is lost; the source is removed after it. The caller owns the
 * returned reference. */
GSource *bus_source_new(sd_bus *bus, GMainContext *context,
                        void (*closed)(sd_bus *bus, void *userdata), void *userdata);
/* Detaches and unrefs; accepts NULL. */
void bus_source_free(GSource *source);
