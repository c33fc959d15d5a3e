#include "client/request.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>

#include "client/stream.h"
#include "dbus/names.h"

struct Request {
    Connection *connection;
    const struct RequestHandlers *handlers;
    void *userdata;
    sd_bus_slot *call; /* until it is accepted */
    char *path;        /* from then on */
    Stream *stream;
    JsonNode *done;
    char *error_name, *error_message; /* of a failure that "done" does not tell of */
    struct Outcome outcome;
    bool is_ended;
};

static void request_end(Request *request) {
    request->call = sd_bus_slot_unref(request->call);
    request->is_ended = true;
    request->handlers->ended(request, request->userdata);
}

static void request_fail(Request *request, const char *name, const char *message) {
    request->error_name = g_strdup(name ?: ERROR_FAILED);
    request->error_message = g_strdup(message && *message ? message : request->error_name);
    request->outcome.error_name = request->error_name;
    request->outcome.error_message = request->error_message;
    request_end(request);
}

static void stream_event(const struct Event *event, void *userdata) {
    Request *request = userdata;
    if (event->type == EVENT_DONE) {
        request->done = json_node_ref(event->root);
        request->outcome = (struct Outcome){
            .finish_reason = event->finish_reason,
            .error_name = event->error_name,
            .error_message = event->error_message,
            .usage = event->usage,
            .timings = event->timings,
            .done = json_node_get_object(request->done),
        };
    }
    request->handlers->event(event, request->userdata);
}

static void stream_ended(int r, void *userdata) {
    Request *request = userdata;
    if (r == 0)
        request_end(request);
    else if (r == -EPIPE)
        request_fail(request, ERROR_FAILED, _("The answer broke off: the service closed it."));
    else if (r == -EBADMSG)
        request_fail(request, ERROR_FAILED, _("The service sent something that is no event."));
    else
        request_fail(request, ERROR_FAILED, g_strerror(-r));
}

static const struct StreamHandlers stream_handlers = {stream_event, stream_ended};

static int reply_handle(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
    Request *request = userdata;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    const char *path;
    int fd;

    request->call = sd_bus_slot_unref(request->call);
    if (error) {
        request_fail(request, error->name, error->message);
        return 0;
    }
    int r = sd_bus_message_read(reply, "oh", &path, &fd);
    if (r >= 0) r = fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message closes its own */
    if (r < 0) {
        request_fail(request, ERROR_FAILED, _("The service sent a reply that makes no sense."));
        return 0;
    }
    request->path = g_strdup(path);
    request->stream = stream_new(fd, &stream_handlers, request);
    return 0;
}

Request *request_new(Connection *connection, sd_bus_message *message,
                     const struct RequestHandlers *handlers, void *userdata) {
    Request *request = g_new0(Request, 1);
    request->connection = connection;
    request->handlers = handlers;
    request->userdata = userdata;
    request->outcome = (struct Outcome){.finish_reason = "", .error_name = "", .error_message = ""};
    int r = sd_bus_call_async(connection_bus(connection), &request->call, message, reply_handle,
                              request, UINT64_MAX);
    if (r < 0) g_error("Cannot send a D-Bus message: %s", g_strerror(-r));
    sd_bus_message_unref(message);
    return request;
}

void request_free(Request *request) {
    if (!request) return;
    sd_bus_slot_unref(request->call);
    stream_free(request->stream);
    g_clear_pointer(&request->done, json_node_unref);
    g_free(request->error_name);
    g_free(request->error_message);
    g_free(request->path);
    g_free(request);
}

void request_cancel(Request *request) {
    if (request->is_ended) return;
    if (!request->path) {
        /* Its stream, should it still come, is closed with the reply that nobody reads. */
        request->outcome.finish_reason = "cancelled";
        request_end(request);
        return;
    }
    sd_bus_message *call =
        connection_method(request->connection, request->path, REQUEST_INTERFACE, "Cancel");
    sd_bus_message_append(call, "a{sv}", 0);
    sd_bus_call_async(connection_bus(request->connection), NULL, call, NULL, NULL, 0);
    sd_bus_message_unref(call);
}

bool request_is_ended(const Request *request) {
    return request->is_ended;
}

const struct Outcome *request_outcome(const Request *request) {
    return &request->outcome;
}
