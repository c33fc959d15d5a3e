#include "api/bus-peer.h"

#include <glib.h>
#include <string.h>

#define DBUS "org.freedesktop.DBus"
#define DBUS_PATH "/org/freedesktop/DBus"

struct BusPeers {
    sd_bus *bus;
    GHashTable *by_name; /* -> BusPeer, a reference */
    void (*left)(BusPeer *peer, void *userdata);
    void *userdata;
};

struct Waiter {
    void (*done)(BusPeer *peer, void *userdata);
    void *userdata;
};

#define UID_UNKNOWN ((uid_t)-1)

BusPeer *bus_peer_ref(BusPeer *peer) {
    peer->n_refs++;
    return peer;
}

static void peer_detach(BusPeer *peer) {
    peer->match = sd_bus_slot_unref(peer->match);
    peer->question = sd_bus_slot_unref(peer->question);
    peer->gone = 1;
}

BusPeer *bus_peer_unref(BusPeer *peer) {
    if (!peer || --peer->n_refs) return NULL;
    peer_detach(peer);
    g_ptr_array_unref(peer->waiting);
    g_free(peer->name);
    g_free(peer);
    return NULL;
}

static void peer_release(void *data) {
    peer_detach(data);
    bus_peer_unref(data);
}

BusPeers *bus_peers_new(sd_bus *bus, void (*left)(BusPeer *peer, void *userdata), void *userdata) {
    BusPeers *peers = g_new0(BusPeers, 1);
    peers->bus = bus;
    peers->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, peer_release);
    peers->left = left;
    peers->userdata = userdata;
    return peers;
}

BusPeers *bus_peers_free(BusPeers *peers) {
    if (!peers) return NULL;
    g_hash_table_unref(peers->by_name);
    g_free(peers);
    return NULL;
}

static void tell_waiting(BusPeer *peer, BusPeer *found) {
    g_autoptr(GPtrArray) waiting = g_steal_pointer(&peer->waiting);
    peer->waiting = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < waiting->len; i++) {
        const struct Waiter *waiter = waiting->pdata[i];
        waiter->done(found, waiter->userdata);
    }
}

static void peer_leaves(BusPeer *peer) {
    BusPeers *peers = peer->peers;
    bus_peer_ref(peer);
    g_hash_table_remove(peers->by_name, peer->name);
    tell_waiting(peer, NULL);
    if (peer->uid != UID_UNKNOWN) peers->left(peer, peers->userdata);
    bus_peer_unref(peer);
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    peer_leaves(userdata);
    return 0;
}

static int on_uid(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    BusPeer *peer = userdata;
    uint32_t uid;
    if (sd_bus_message_get_error(reply) || sd_bus_message_read(reply, "u", &uid) < 0) {
        peer_leaves(peer);
        return 0;
    }
    bus_peer_ref(peer);
    peer->question = sd_bus_slot_unref(peer->question);
    peer->uid = uid;
    tell_waiting(peer, peer);
    bus_peer_unref(peer);
    return 0;
}

/* The match first: whoever leaves after it is noticed, who left before has no uid any more. */
static int peer_watch(BusPeer *peer) {
    g_autofree char *match =
        g_strdup_printf("type='signal',sender='" DBUS "',path='" DBUS_PATH "',interface='" DBUS
                        "',member='NameOwnerChanged',arg0='%s',arg2=''",
                        peer->name);
    return sd_bus_add_match_async(peer->peers->bus, &peer->match, match, on_owner_changed, NULL,
                                  peer);
}

/* Known, or new and not identified yet. */
static BusPeer *peer_get(BusPeers *peers, const char *name) {
    BusPeer *peer = g_hash_table_lookup(peers->by_name, name);
    if (peer) return peer;
    peer = g_new0(BusPeer, 1);
    peer->n_refs = 1;
    peer->name = g_strdup(name);
    peer->uid = UID_UNKNOWN;
    peer->peers = peers;
    peer->waiting = g_ptr_array_new_with_free_func(g_free);
    g_hash_table_insert(peers->by_name, peer->name, peer);
    if (peer_watch(peer) >= 0) return peer;
    g_hash_table_remove(peers->by_name, name);
    return NULL;
}

void bus_peers_identify(BusPeers *peers, const char *name,
                        void (*done)(BusPeer *peer, void *userdata), void *userdata) {
    BusPeer *peer = peer_get(peers, name);
    if (!peer || peer->uid != UID_UNKNOWN) {
        done(peer, userdata);
        return;
    }
    struct Waiter *waiter = g_new(struct Waiter, 1);
    *waiter = (struct Waiter){done, userdata};
    g_ptr_array_add(peer->waiting, waiter);
    if (peer->question) return;
    int r = sd_bus_call_method_async(peers->bus, &peer->question, DBUS, DBUS_PATH, DBUS,
                                     "GetConnectionUnixUser", on_uid, peer, "s", name);
    if (r < 0) peer_leaves(peer);
}

BusPeer *bus_peers_identify_now(BusPeers *peers, const char *name) {
    BusPeer *peer = peer_get(peers, name);
    sd_bus_creds *creds = NULL;
    uid_t uid;
    if (!peer || peer->uid != UID_UNKNOWN) return peer;
    int r = sd_bus_get_name_creds(peers->bus, name, SD_BUS_CREDS_EUID, &creds);
    if (r >= 0) r = sd_bus_creds_get_euid(creds, &uid);
    sd_bus_creds_unref(creds);
    if (r < 0) return NULL;
    peer->uid = uid;
    return peer;
}
