#include "service/link.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "dbus/bus-source.h"
#include "dbus/names.h"
#include "service/limits.h"

struct Link {
    sd_bus *bus;
    GSource *source;
    struct LinkEvents events;
    void *userdata;
};

static void on_closed(sd_bus *bus, void *userdata) {
    Link *link = userdata;
    link->events.lost(link->userdata);
}

static int on_closing(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    Link *link = userdata;
    link->events.closing(link->userdata);
    return 0;
}

/* The numbers of a worker are believed up to a bound: they are summed. */
static int member_read(sd_bus_message *message, const char *name, struct LinkDescription *ret) {
    const char *text;
    if (!strcmp(name, "memory_bytes"))
        return sd_bus_message_read(message, "v", "t", &ret->memory_bytes);
    if (strcmp(name, "packed")) return sd_bus_message_skip(message, "v");
    int r = sd_bus_message_read(message, "v", "s", &text);
    if (r >= 0) ret->packed = model_packed_from_name(text);
    return r;
}

static int description_read(sd_bus_message *message, struct LinkDescription *ret) {
    const char *name;
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        r = sd_bus_message_read_basic(message, 's', &name);
        if (r < 0) break;
        r = member_read(message, name, ret);
        if (r >= 0) r = sd_bus_message_exit_container(message);
    }
    if (r < 0) return r;
    return ret->memory_bytes <= (uint64_t)MANIFEST_NUMBER_MAX ? 0 : -ERANGE;
}

static Problem problem_from_error(const sd_bus_error *error) {
    Problem problem = {0};
    problem_set(&problem, problem_from_name(error->name), "%s",
                error->message ? error->message : error->name);
    return problem;
}

static int on_described(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    Link *link = userdata;
    struct LinkDescription description = {0};
    const sd_bus_error *refusal = sd_bus_message_get_error(reply);
    if (refusal) {
        Problem problem = problem_from_error(refusal);
        link->events.refused(&problem, link->userdata);
    } else if (description_read(reply, &description) < 0) {
        link->events.refused(&call_answer_malformed, link->userdata);
    } else {
        link->events.ready(&description, link->userdata);
    }
    return 0;
}

static int bus_open(Link *link, int fd) {
    int r = sd_bus_new(&link->bus);
    if (r < 0) {
        close(fd);
        return r;
    }
    r = sd_bus_set_fd(link->bus, fd, fd);
    if (r < 0) close(fd);
    if (r >= 0) r = sd_bus_negotiate_fds(link->bus, 1);
    if (r >= 0) r = sd_bus_set_anonymous(link->bus, 1);
    if (r >= 0) r = sd_bus_start(link->bus);
    if (r >= 0)
        r = sd_bus_match_signal(link->bus, NULL, NULL, WORKER_PATH, WORKER_INTERFACE, "Closing",
                                on_closing, link);
    if (r >= 0)
        r = sd_bus_call_method_async(link->bus, NULL, NULL, WORKER_PATH, WORKER_INTERFACE,
                                     "Describe", on_described, link, "");
    return r;
}

int link_new(int fd, const struct LinkEvents *events, void *userdata, Link **ret) {
    Link *link = g_new0(Link, 1);
    link->events = *events;
    link->userdata = userdata;
    int r = bus_open(link, fd);
    if (r < 0) {
        link_free(link);
        return r;
    }
    link->source = bus_source_new(link->bus, NULL, on_closed, link);
    *ret = link;
    return 0;
}

Link *link_free(Link *link) {
    if (!link) return NULL;
    bus_source_free(link->source);
    sd_bus_close_unref(link->bus);
    g_free(link);
    return NULL;
}

/* Error names that sd-bus makes itself: the worker's code has not seen the call. */
static bool is_from_worker(const sd_bus_error *error) {
    return g_str_has_prefix(error->name, "org.ryzenllm1.") ||
           !strcmp(error->name, ERROR_INVALID_ARGS);
}

static int on_answered(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    Call *call = userdata;
    Link *link = call->link;
    const sd_bus_error *failure = sd_bus_message_get_error(reply);
    link_forget(link, call);
    if (!failure) {
        call->told = true;
        link->events.answered(call, reply, NULL, link->userdata);
        return 0;
    }
    Problem problem = problem_from_error(failure);
    call->told = is_from_worker(failure);
    if (!call->told) problem.kind = PROBLEM_WORKER_DIED;
    link->events.answered(call, NULL, &problem, link->userdata);
    return 0;
}

/* What the worker said before it went is still to be read: Closing decides about unanswered calls,
 * and a failed write would throw it away. */
static bool is_going_down(const Link *link) {
    struct pollfd pfd = {.fd = sd_bus_get_fd(link->bus), .events = POLLRDHUP};
    return sd_bus_is_open(link->bus) <= 0 || pfd.fd < 0 ||
           (poll(&pfd, 1, 0) > 0 && pfd.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

int link_send(Link *link, Call *call) {
    sd_bus_message *message = NULL;
    if (is_going_down(link)) return 1;
    int r = sd_bus_message_new_method_call(link->bus, &message, NULL, WORKER_PATH, WORKER_INTERFACE,
                                           call->type->method);
    if (r >= 0) r = call->type->write(call, message);
    if (r >= 0)
        r = sd_bus_call_async(link->bus, &call->slot, message, on_answered, call,
                              call->type->timeout_usec);
    sd_bus_message_unref(message);
    if (r == -ECONNRESET || r == -ENOTCONN) return 1;
    if (r < 0) return r;
    call->link = link;
    return 0;
}

void link_forget(Link *link, Call *call) {
    call->slot = sd_bus_slot_unref(call->slot);
    call->link = NULL;
}

void link_cancel(Link *link, uint64_t id) {
    if (is_going_down(link)) return;
    sd_bus_call_method_async(link->bus, NULL, NULL, WORKER_PATH, WORKER_INTERFACE, "Cancel", NULL,
                             NULL, "t", id);
}

void link_exit(Link *link) {
    if (is_going_down(link)) return;
    sd_bus_call_method_async(link->bus, NULL, NULL, WORKER_PATH, WORKER_INTERFACE, "Exit", NULL,
                             NULL, "");
}
