#include "notify.h"

#include <glib.h>
#include <inttypes.h>
#include <systemd/sd-daemon.h>

/* More often nobody looks. */
#define STATUS_INTERVAL_MSEC 500

struct Notify {
    Service *service;
    guint watchdog_source, status_source;
    gboolean ready;
};

static unsigned n_loaded(Service *service) {
    g_autofree Model **models = service_list_models(service);
    unsigned n = 0;
    for (Model **model = models; *model; model++) n += model_state(*model) == MODEL_LOADED;
    return n;
}

static char *status_text(Service *service) {
    g_autofree Model **models = service_list_models(service);
    unsigned n_models = 0;
    while (models[n_models]) n_models++;
    return g_strdup_printf("%u models, %u loaded; %u requests running, %u waiting", n_models,
                           n_loaded(service), service_n_active(service), service_n_queued(service));
}

static gboolean on_status(void *userdata) {
    Notify *notify = userdata;
    g_autofree char *text = status_text(notify->service);
    notify->status_source = 0;
    sd_notifyf(0, "STATUS=%s", text);
    return G_SOURCE_REMOVE;
}

static void status_soon(Notify *notify) {
    if (!notify->status_source && notify->ready)
        notify->status_source = g_timeout_add(STATUS_INTERVAL_MSEC, on_status, notify);
}

static void on_model(Model *model, void *userdata) {
    status_soon(userdata);
}

static void on_request(Request *request, void *userdata) {
    status_soon(userdata);
}

static gboolean on_watchdog(void *userdata) {
    sd_notify(0, "WATCHDOG=1");
    return G_SOURCE_CONTINUE;
}

Notify *notify_new(Service *service) {
    static const struct ServiceEvents events = {
        .model_added = on_model,
        .model_removed = on_model,
        .model_changed = on_model,
        .request_added = on_request,
        .request_changed = on_request,
    };
    Notify *notify = g_new0(Notify, 1);
    uint64_t usec;
    notify->service = service;
    service_watch(service, &events, notify);
    if (sd_watchdog_enabled(0, &usec) > 0)
        notify->watchdog_source = g_timeout_add((guint)(usec / 2000), on_watchdog, notify);
    return notify;
}

Notify *notify_free(Notify *notify) {
    if (!notify) return NULL;
    g_clear_handle_id(&notify->watchdog_source, g_source_remove);
    g_clear_handle_id(&notify->status_source, g_source_remove);
    g_free(notify);
    return NULL;
}

void notify_ready(Notify *notify) {
    g_autofree char *text = status_text(notify->service);
    notify->ready = TRUE;
    sd_notifyf(0, "READY=1\nSTATUS=%s", text);
}

void notify_reloading(Notify *notify) {
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=Reloading",
               (int64_t)g_get_monotonic_time());
}

void notify_stopping(Notify *notify) {
    notify->ready = FALSE;
    sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
}
