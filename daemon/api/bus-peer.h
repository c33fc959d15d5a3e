/*
 * Who is on the other side of the bus: connections that have called us, their user, and when they
 * leave.
 */
#pragma once

#include <sys/types.h>
#include <systemd/sd-bus.h>

typedef struct BusPeers BusPeers;

/* A connection. `gone` is set when it leaves the bus; references keep the rest. */
typedef struct BusPeer {
    unsigned n_refs;
    char *name; /* unique name */
    uid_t uid;
    int gone;
    /* bus-peer.c's */
    BusPeers *peers;
    sd_bus_slot *match, *question;
    struct _GPtrArray *waiting;
} BusPeer;

/* `left` is told of a peer that was identified, once, after `gone` is set. */
BusPeers *bus_peers_new(sd_bus *bus, void (*left)(BusPeer *peer, void *userdata), void *userdata);
BusPeers *bus_peers_free(BusPeers *peers);

BusPeer *bus_peer_ref(BusPeer *peer);
BusPeer *bus_peer_unref(BusPeer *peer);

/* Asks the bus once for each connection; `done` may be called at once. NULL: it has left already.
 */
void bus_peers_identify(BusPeers *peers, const char *name,
                        void (*done)(BusPeer *peer, void *userdata), void *userdata);
/* The same, blocking the loop for one round trip to the bus daemon the first time: for the moments
 * at which sd-bus wants an answer at once. */
BusPeer *bus_peers_identify_now(BusPeers *peers, const char *name);
