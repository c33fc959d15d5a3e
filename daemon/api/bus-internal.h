/*
 * What the files of the D-Bus door share.
 */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

#include "api/bus-call.h"
#include "api/bus-peer.h"
#include "api/bus.h"
#include "api/polkit.h"

struct Bus {
    Service *service;
    sd_bus *bus;
    GSource *source;
    BusPeers *peers;
    Polkit *polkit;
    GQueue calls;         /* BusCalls without a reply */
    GHashTable *models;   /* Model -> BusModel, owned */
    GHashTable *requests; /* id -> BusRequest, owned */
    GQueue asks;          /* BusAsks */
    void (*lost)(void *userdata);
    void *userdata;
};

/* ---- bus-manager.c ---- */
int bus_manager_export(Bus *bus);
void bus_manager_default_changed(Bus *bus);

/* The reply of a long method: its object, and the read end of its stream. Takes the reference. */
void bus_return_request(BusCall *call, Request *request);

/* ---- bus-install.c ---- */
int bus_read_install(BusCall *call, sd_bus_message *m, sd_bus_error *error);
void bus_act_install(BusCall *call);
/* The part of the arguments that is InstallModel's. */
void bus_install_done(struct BusArguments *arguments);

/* ---- bus-model.c ---- */
void bus_model_added(Bus *bus, Model *model);
void bus_model_removed(Bus *bus, Model *model);
void bus_model_changed(Bus *bus, Model *model);
void bus_model_free(void *model);
/* "/org/ryzenllm1/model/NAME"; g_free() it. */
char *bus_model_path(const char *name);
/* Load and Unload, which the manager has as well. */
void bus_act_load(BusCall *call);
void bus_act_unload(BusCall *call);

/* ---- bus-request.c ---- */
typedef struct BusRequest {
    Bus *bus;
    Request *request;
    BusPeer *owner; /* the connection that made it; NULL: another door's */
} BusRequest;

int bus_requests_export(Bus *bus);
void bus_request_added(Bus *bus, Request *request);
void bus_request_changed(Bus *bus, Request *request);
void bus_request_removed(Bus *bus, Request *request);
void bus_request_free(void *request);
/* Cancels those of a connection that has left. */
void bus_requests_peer_left(Bus *bus, BusPeer *peer);
/* Gives a request that was just made to its caller, and announces it to that one. */
BusRequest *bus_request_own(Bus *bus, Request *request, BusPeer *owner);
char *bus_request_path(const Request *request);

/* ---- bus-ask.c ---- */
void bus_act_ask(BusCall *call);
void bus_asks_free(Bus *bus);
