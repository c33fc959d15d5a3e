#include "client/answer.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/failure.h"
#include "client/interrupt.h"
#include "client/output.h"
#include "client/progress.h"

struct Answer {
    Request *request;
    Progress *progress;
    GMainLoop *loop;
    GString *text;
    bool silent, interrupted;
    int write_error;
};

static void answer_show(Answer *answer, const char *text) {
    progress_clear(answer->progress);
    g_string_append(answer->text, text);
    if (answer->silent || answer->write_error) return;
    answer->write_error = output_text(text);
    if (answer->write_error) request_cancel(answer->request);
}

static void answer_event(const struct Event *event, void *userdata) {
    Answer *answer = userdata;
    if (event->type == EVENT_DELTA) answer_show(answer, event->text);
    if (event->type == EVENT_PROGRESS)
        progress_update(answer->progress, _("Reading the prompt"), event->done, event->total);
}

static void answer_ended(Request *request, void *userdata) {
    Answer *answer = userdata;
    g_main_loop_quit(answer->loop);
}

static void answer_interrupted(void *userdata) {
    Answer *answer = userdata;
    request_cancel(answer->request);
}

static const struct RequestHandlers handlers = {answer_event, answer_ended};

/* The prompt of the shell starts on a line of its own. */
static void line_end(const Answer *answer) {
    bool failed = *request_outcome(answer->request)->error_name;
    bool open = answer->text->len ? answer->text->str[answer->text->len - 1] != '\n' : !failed;
    if (open && !answer->silent && !answer->write_error) output_text("\n");
}

Answer *answer_run(Connection *connection, sd_bus_message *message, bool silent) {
    Answer *answer = g_new0(Answer, 1);
    answer->progress = progress_new();
    answer->loop = g_main_loop_new(NULL, FALSE);
    answer->text = g_string_new(NULL);
    answer->silent = silent;

    g_autoptr(Interrupt) interrupt = interrupt_new(answer_interrupted, answer);
    answer->request = request_new(connection, message, &handlers, answer);
    g_main_loop_run(answer->loop);
    answer->interrupted = interrupt_happened(interrupt);
    progress_clear(answer->progress);
    line_end(answer);
    return answer;
}

void answer_free(Answer *answer) {
    if (!answer) return;
    request_free(answer->request);
    progress_free(answer->progress);
    g_main_loop_unref(answer->loop);
    g_string_free(answer->text, TRUE);
    g_free(answer);
}

const char *answer_text(const Answer *answer) {
    return answer->text->str;
}

const struct Outcome *answer_outcome(const Answer *answer) {
    return request_outcome(answer->request);
}

int answer_exit_code(const Answer *answer) {
    const struct Outcome *outcome = answer_outcome(answer);
    if (answer->interrupted) return EXIT_INTERRUPTED;
    if (answer->write_error) return EXIT_FAILURE; /* output_close() says it */
    if (*outcome->error_name) return failure_named(outcome->error_name, outcome->error_message);
    if (g_str_equal(outcome->finish_reason, "error"))
        return failure(_("The service failed without saying why."));
    if (g_str_equal(outcome->finish_reason, "cancelled"))
        return failure(_("The request was cancelled."));
    return EXIT_SUCCESS;
}

/* A member of the service's own "done", with what may have been added to it. */
static void done_member(const struct Outcome *outcome, const char *name, JsonBuilder *builder) {
    JsonNode *node = outcome->done ? json_object_get_member(outcome->done, name) : NULL;
    if (!node) return;
    json_builder_set_member_name(builder, name);
    json_builder_add_value(builder, json_node_copy(node));
}

void answer_json(const Answer *answer, const char *model) {
    static const char *const members[] = {"finish_reason", "usage", "timings", "error"};
    const struct Outcome *outcome = answer_outcome(answer);
    g_autoptr(JsonBuilder) builder = json_builder_new();
    if (!outcome->done) return;

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "model");
    json_builder_add_string_value(builder, model);
    json_builder_set_member_name(builder, "answer");
    json_builder_add_string_value(builder, answer->text->str);
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) done_member(outcome, members[i], builder);
    json_builder_end_object(builder);
    output_json(builder);
}

void answer_timings(const Answer *answer, const char *model) {
    const struct Outcome *outcome = answer_outcome(answer);
    const struct Usage *usage = &outcome->usage;
    const struct Timings *timings = &outcome->timings;
    if (!outcome->done) return;
    fprintf(stderr,
            _("%s: prompt %" PRIu64 " tokens (%" PRIu64
              " recycled) in %.2f s, %.1f/s; answer %" PRIu64
              " tokens in %.2f s, %.1f/s; waited %.2f s; %s\n"),
            model, usage->prompt_tokens, usage->cached_tokens, timings->prompt_ms / 1000,
            timings->prompt_per_second, usage->completion_tokens, timings->generate_ms / 1000,
            timings->tokens_per_second, timings->queue_ms / 1000, outcome->finish_reason);
    if (usage->drafted_tokens)
        fprintf(stderr, _("Guessed ahead: %" PRIu64 " of %" PRIu64 " tokens were right\n"),
                usage->accepted_tokens, usage->drafted_tokens);
}
