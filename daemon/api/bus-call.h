/*
 * One method call that is being answered: read, validated, authorised without blocking, acted upon,
 * replied to. A method is one row and two functions.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "api/bus-peer.h"
#include "dbus/options.h"
#include "service/service.h"

struct Bus;
typedef struct BusCall BusCall;

/* A method: what reads its arguments (sets `error` and returns < 0 when they are wrong), which
 * polkit action it needs (NULL: none), what does it. `act` replies, now or later, in one of the
 * ways below. */
struct BusVerb {
    const char *member, *action;
    int (*read)(BusCall *call, sd_bus_message *m, sd_bus_error *error);
    void (*act)(BusCall *call);
};

/* What methods have for arguments; each uses some. */
struct BusArguments {
    char *model, *text;
    char **inputs;
    struct Message *messages;
    size_t n_messages;
    int32_t *tokens;
    size_t n_tokens;
    struct GenerateOptions options;
    GArray *files, *draft_files; /* of int, owned */
    char *weights, *kv_type;
    bool special, bos, force, replace;
    uint64_t request;
};

struct BusCall {
    struct Bus *bus;
    sd_bus_message *message;
    const struct BusVerb *verb;
    BusPeer *peer; /* who calls; known when `act` runs */
    struct BusArguments arguments;
};

/* For a vtable's handler: `model` or `request` is the object's, where it is one's. */
int bus_call_begin(struct Bus *bus, sd_bus_message *m, const struct BusVerb *verbs, size_t n,
                   const char *model, uint64_t request, sd_bus_error *error);

/* Each of these ends the call and frees it. */
void bus_call_fail(BusCall *call, const Problem *problem);
void bus_call_return(BusCall *call, const char *types, ...);
void bus_call_send(BusCall *call, sd_bus_message *reply); /* takes the reply */
void bus_call_free(BusCall *call);

/* ---- Reading arguments ---- */

/* An a{sv} of flags. */
struct BusFlag {
    const char *name;
    bool *value;
};
int bus_read_flags(sd_bus_message *m, const struct BusFlag *flags, size_t n, sd_bus_error *error);
int bus_read_no_options(sd_bus_message *m, sd_bus_error *error);
/* A model's name; a copy. */
int bus_read_model(sd_bus_message *m, char **ret, sd_bus_error *error);
int bus_read_text(sd_bus_message *m, char **ret);
int bus_read_messages(sd_bus_message *m, struct BusArguments *arguments, sd_bus_error *error);
