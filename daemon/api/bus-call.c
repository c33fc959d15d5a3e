#include "api/bus-call.h"

#include <errno.h>
#include <glib.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "api/bus-internal.h"
#include "api/errors.h"
#include "api/limits.h"
#include "dbus/names.h"

static void arguments_done(struct BusArguments *arguments) {
    messages_free(arguments->messages, arguments->n_messages);
    g_free(arguments->model);
    g_free(arguments->text);
    g_strfreev(arguments->inputs);
    g_free(arguments->tokens);
    options_done(&arguments->options);
    bus_install_done(arguments);
}

void bus_call_free(BusCall *call) {
    g_queue_remove(&call->bus->calls, call);
    arguments_done(&call->arguments);
    bus_peer_unref(call->peer);
    sd_bus_message_unref(call->message);
    g_free(call);
}

void bus_call_fail(BusCall *call, const Problem *problem) {
    g_autofree char *text = g_utf8_make_valid(problem->text, -1);
    sd_bus_reply_method_errorf(call->message, error_row(problem->kind)->dbus_name, "%s", text);
    bus_call_free(call);
}

void bus_call_send(BusCall *call, sd_bus_message *reply) {
    sd_bus_send(call->bus->bus, reply, NULL);
    sd_bus_message_unref(reply);
    bus_call_free(call);
}

void bus_call_return(BusCall *call, const char *types, ...) {
    sd_bus_message *reply = NULL;
    va_list arguments;
    va_start(arguments, types);
    int r = sd_bus_message_new_method_return(call->message, &reply);
    if (r >= 0) r = sd_bus_message_appendv(reply, types, arguments);
    va_end(arguments);
    if (r >= 0) {
        bus_call_send(call, reply);
        return;
    }
    Problem problem;
    sd_bus_message_unref(reply);
    problem_set(&problem, PROBLEM_FAILED, "The answer can't be sent: %s.", g_strerror(-r));
    bus_call_fail(call, &problem);
}

/* ---- From the call to the act ---- */

static void on_authorised(const Problem *problem, void *userdata) {
    BusCall *call = userdata;
    if (call->peer->gone)
        bus_call_free(call);
    else if (problem->kind)
        bus_call_fail(call, problem);
    else
        call->verb->act(call);
}

static void on_identified(BusPeer *peer, void *userdata) {
    BusCall *call = userdata;
    if (!peer) {
        bus_call_free(call);
        return;
    }
    call->peer = bus_peer_ref(peer);
    if (call->verb->action)
        polkit_check(call->bus->polkit, call->message, peer->uid, call->verb->action, on_authorised,
                     call);
    else
        on_authorised(&(Problem){0}, call);
}

int bus_call_begin(struct Bus *bus, sd_bus_message *m, const struct BusVerb *verbs, size_t n,
                   const char *model, uint64_t request, sd_bus_error *error) {
    const char *member = sd_bus_message_get_member(m);
    size_t i = 0;
    while (i < n && strcmp(verbs[i].member, member)) i++;
    g_assert(i < n);

    BusCall *call = g_new0(BusCall, 1);
    call->bus = bus;
    call->message = sd_bus_message_ref(m);
    call->verb = &verbs[i];
    call->arguments.model = g_strdup(model);
    call->arguments.request = request;
    options_init(&call->arguments.options);
    g_queue_push_tail(&bus->calls, call);
    int r = call->verb->read(call, m, error);
    if (r < 0) {
        bus_call_free(call);
        return r;
    }
    bus_peers_identify(bus->peers, sd_bus_message_get_sender(m), on_identified, call);
    return 1;
}

/* ---- Reading arguments ---- */

static int flag_read(sd_bus_message *m, const char *name, const struct BusFlag *flags, size_t n,
                     sd_bus_error *error) {
    const char *contents;
    int value;
    size_t i = 0;
    while (i < n && strcmp(flags[i].name, name)) i++;
    if (i == n) return sd_bus_error_setf(error, ERROR_INVALID_ARGS, "There is no option %s.", name);
    int r = sd_bus_message_peek_type(m, NULL, &contents);
    if (r < 0) return r;
    if (strcmp(contents, "b"))
        return sd_bus_error_setf(error, ERROR_INVALID_ARGS, "Option %s has type b, not %s.", name,
                                 contents);
    r = sd_bus_message_read(m, "v", "b", &value);
    if (r >= 0) *flags[i].value = value;
    return r;
}

int bus_read_flags(sd_bus_message *m, const struct BusFlag *flags, size_t n, sd_bus_error *error) {
    const char *name;
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");
    if (r < 0) return r;
    while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = sd_bus_message_read_basic(m, 's', &name);
        if (r >= 0) r = flag_read(m, name, flags, n, error);
        if (r >= 0) r = sd_bus_message_exit_container(m);
        if (r < 0) return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

int bus_read_no_options(sd_bus_message *m, sd_bus_error *error) {
    return bus_read_flags(m, NULL, 0, error);
}

int bus_read_model(sd_bus_message *m, char **ret, sd_bus_error *error) {
    const char *name;
    int r = sd_bus_message_read_basic(m, 's', &name);
    if (r < 0) return r;
    if (strlen(name) > MODEL_NAME_MAX)
        return sd_bus_error_setf(error, ERROR_INVALID_ARGS,
                                 "A model's name has up to %u characters.", MODEL_NAME_MAX);
    *ret = g_strdup(name);
    return 0;
}

int bus_read_text(sd_bus_message *m, char **ret) {
    const char *text;
    int r = sd_bus_message_read_basic(m, 's', &text);
    if (r >= 0) *ret = g_strdup(text);
    return r;
}

static int message_member_read(sd_bus_message *m, struct Message *message, sd_bus_error *error) {
    const char *name, *contents, *value;
    int r = sd_bus_message_read_basic(m, 's', &name);
    if (r >= 0) r = sd_bus_message_peek_type(m, NULL, &contents);
    if (r < 0) return r;
    const char **field = message_member(message, name);
    if (!field || strcmp(contents, "s"))
        return sd_bus_error_setf(
            error, ERROR_INVALID_ARGS,
            "A message has \"role\", \"content\", \"name\", \"tool_call_id\", "
            "\"tool_calls\" and \"reasoning_content\", all strings, not \"%s\".",
            name);
    r = sd_bus_message_read(m, "v", "s", &value);
    if (r < 0) return r;
    g_free((char *)*field);
    *field = g_strdup(value);
    return 0;
}

static int message_check(const struct Message *message, sd_bus_error *error) {
    if (message_is_complete(message)) return 0;
    return sd_bus_error_set(error, ERROR_INVALID_ARGS,
                            "A message has \"role\" and \"content\", or \"tool_calls\".");
}

static int message_read(sd_bus_message *m, struct Message *message, sd_bus_error *error) {
    int r;
    while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = message_member_read(m, message, error);
        if (r >= 0) r = sd_bus_message_exit_container(m);
        if (r < 0) return r;
    }
    return r < 0 ? r : message_check(message, error);
}

int bus_read_messages(sd_bus_message *m, struct BusArguments *arguments, sd_bus_error *error) {
    g_autoptr(GArray) messages = g_array_new(FALSE, TRUE, sizeof(struct Message));
    int r = sd_bus_message_enter_container(m, 'a', "a{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'a', "{sv}")) > 0) {
        if (messages->len == MESSAGES_MAX)
            r = sd_bus_error_setf(error, ERROR_INVALID_ARGS, "A conversation has 1 to %u messages.",
                                  MESSAGES_MAX);
        if (r < 0) break;
        g_array_set_size(messages, messages->len + 1);
        r = message_read(m, &g_array_index(messages, struct Message, messages->len - 1), error);
        if (r >= 0) r = sd_bus_message_exit_container(m);
    }
    arguments->n_messages = messages->len;
    arguments->messages = (struct Message *)(void *)g_array_free(g_steal_pointer(&messages), FALSE);
    if (r >= 0 && arguments->n_messages == 0)
        r = sd_bus_error_set(error, ERROR_INVALID_ARGS, "There are no messages.");
    return r < 0 ? r : sd_bus_message_exit_container(m);
}
