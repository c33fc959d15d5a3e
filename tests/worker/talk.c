#include "talk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dbus/names.h"

sd_bus_message *call_new(sd_bus *bus, const char *member) {
    sd_bus_message *message = NULL;
    if (sd_bus_message_new_method_call(bus, &message, NULL, WORKER_PATH, WORKER_INTERFACE, member) <
        0)
        abort();
    return message;
}

static void usage_read(sd_bus_message *reply, struct Answer *answer) {
    const char *name;
    uint64_t count;
    double number;

    sd_bus_message_enter_container(reply, 'a', "{st}");
    while (sd_bus_message_read(reply, "{st}", &name, &count) > 0) {
        if (strcmp(name, "prompt_tokens") == 0) answer->prompt_tokens = count;
        if (strcmp(name, "completion_tokens") == 0) answer->completion_tokens = count;
    }
    sd_bus_message_exit_container(reply);
    sd_bus_message_enter_container(reply, 'a', "{sd}");
    while (sd_bus_message_read(reply, "{sd}", &name, &number) > 0)
        if (strcmp(name, "prompt_ms") == 0) answer->prompt_ms = number;
    sd_bus_message_exit_container(reply);
}

int handle_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    struct Answer *answer = userdata;
    const sd_bus_error *problem = sd_bus_message_get_error(reply);
    const char *finish_reason;

    answer->there = true;
    if (problem) {
        answer->error = g_strdup(problem->name);
        answer->message = g_strdup(problem->message);
    } else if (sd_bus_message_read(reply, "s", &finish_reason) > 0) {
        answer->finish_reason = g_strdup(finish_reason);
        usage_read(reply, answer);
    }
    return 0;
}

void answer_wait(sd_bus *bus, struct Answer *answer) {
    while (!answer->there) {
        int r = sd_bus_process(bus, NULL);
        g_assert_cmpint(r, >=, 0); /* the connection is lost */
        if (r == 0) sd_bus_wait(bus, UINT64_MAX);
    }
}

void answer_clear(struct Answer *answer) {
    g_free(answer->error);
    g_free(answer->message);
    g_free(answer->finish_reason);
    *answer = (struct Answer){0};
}

sd_bus_message *talk_begin(sd_bus *bus, uint64_t id) {
    sd_bus_message *message = call_new(bus, "Generate");
    PROMPT(message, "ut", 1000, id);
    return message;
}

void talk_send(sd_bus *bus, sd_bus_message *message, struct Talk *talk, int pipe_size) {
    int fd;

    *talk = (struct Talk){0};
    events_open(&talk->events, pipe_size, &fd);
    PROMPT(message, "h", fd);
    close(fd); /* the message has its own */
    g_assert_true(sd_bus_call_async(bus, NULL, message, handle_answer, &talk->answer, UINT64_MAX) >=
                  0);
    sd_bus_message_unref(message);
    sd_bus_flush(bus);
}

void talk_finish(sd_bus *bus, struct Talk *talk) {
    events_finish(&talk->events);
    answer_wait(bus, &talk->answer);
    g_assert_cmpint(talk->events.n_done, ==, 1);
    g_assert_cmpint(talk->events.n_bad, ==, 0);
    while (events_next(&talk->events)) {
    } /* to the end: nobody holds the other end any more */
    g_assert_cmpint(talk->events.n_done, ==, 1);
}

void talk_clear(struct Talk *talk) {
    events_clear(&talk->events);
    answer_clear(&talk->answer);
}

/* One that goes on for longer than the test will wait. */
void talk_endless(sd_bus *bus, uint64_t id, struct Talk *talk, int pipe_size) {
    sd_bus_message *message = talk_begin(bus, id);
    PROMPT(message, "a{sv}a{sv}", 1, "text", "s", "go on", 2, "max_tokens", "u", 1000000,
           "ignore_eos", "b", 1);
    talk_send(bus, message, talk, pipe_size);
}

void talk_short(sd_bus *bus, uint64_t id, struct Talk *talk) {
    sd_bus_message *message = talk_begin(bus, id);
    PROMPT(message, "a{sv}a{sv}", 1, "text", "s", "hello", 3, "max_tokens", "u", 20, "seed", "t",
           (uint64_t)5, "ignore_eos", "b", 1);
    talk_send(bus, message, talk, 0);
}

const struct FakeModel model_slow = {.n_ctx = 1 << 20, .delay_usec = 50};
