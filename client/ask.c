/* ryzen-llm ask: one question, one answer. */
#include <errno.h>
#include <glib/gi18n.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/answer.h"
#include "client/arguments.h"
#include "client/conversation.h"
#include "client/failure.h"
#include "client/model.h"
#include "client/prompt.h"

typedef struct Ask {
    char *model, *system;
    gboolean raw, json, verbose;
    struct GenerateOptions generate;
    char *prompt;
} Ask;

static void ask_done(Ask *ask) {
    g_free(ask->model);
    g_free(ask->system);
    g_free(ask->prompt);
    options_done(&ask->generate);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Ask, ask_done)

static int ask_parse(Ask *ask, const struct Verb *verb, int argc, char **argv) {
    const GOptionEntry entries[] = {
        {"model", 'm', 0, G_OPTION_ARG_FILENAME, &ask->model,
         N_("Name of the model; the default one if not given"), N_("MODEL")},
        {"system", 's', 0, G_OPTION_ARG_FILENAME, &ask->system,
         N_("How to answer, as a system message"), N_("TEXT")},
        {"raw", 0, 0, G_OPTION_ARG_NONE, &ask->raw,
         N_("Continue the prompt as plain text, without a chat template"), NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &ask->json, N_("Print one JSON object at the end"), NULL},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &ask->verbose, N_("Print timings on stderr"), NULL},
        {NULL},
    };
    struct Arguments arguments = {.entries = entries, .generate = &ask->generate};
    int code = arguments_parse(&arguments, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;
    g_auto(GStrv) words = arguments.rest;

    if (ask->raw && ask->system)
        return failure_usage(verb, _("--raw and --system exclude each other."));
    int r = prompt_read(words, &ask->prompt);
    if (r == -ENODATA) return failure_usage(verb, _("There is no prompt."));
    return r < 0 ? EXIT_FAILURE : ARGUMENTS_READ;
}

static void options_complete(Ask *ask) {
    /* A question has one answer: the same whenever it is asked. */
    if (!options_is_set(&ask->generate, "temperature"))
        options_set_number(&ask->generate, "temperature", 0);
    if (isatty(STDERR_FILENO)) options_set_number(&ask->generate, "progress", 1);
}

static sd_bus_message *ask_call(Connection *connection, const Ask *ask, const struct Model *model) {
    bool chat = !ask->raw && model->can_chat;
    sd_bus_message *call = connection_manager(connection, chat ? "Chat" : "Generate");
    sd_bus_message_append(call, "s", model->name);
    if (chat) {
        g_autoptr(Conversation) conversation = conversation_new(ask->system);
        conversation_add(conversation, "user", ask->prompt);
        conversation_append(conversation, call);
    } else {
        sd_bus_message_append(call, "s", ask->prompt);
    }
    options_append(call, &ask->generate);
    return call;
}

int verb_ask(const struct Verb *verb, int argc, char **argv) {
    g_auto(Ask) ask = {0};
    g_autoptr(Connection) connection = NULL;
    g_auto(Model) model = {0};
    options_init(&ask.generate);
    int code = ask_parse(&ask, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;

    options_complete(&ask);
    if (connection_open(&connection) < 0) return EXIT_FAILURE;
    if (model_get(connection, ask.model, &model) < 0) return EXIT_FAILURE;
    if (ask.system && !model.can_chat)
        return failure(_("Model %s has no chat template, so it takes no system message."),
                       model.name);
    g_autoptr(Answer) answer = answer_run(connection, ask_call(connection, &ask, &model), ask.json);
    if (ask.json) answer_json(answer, model.name);
    if (ask.verbose) answer_timings(answer, model.name);
    return answer_exit_code(answer);
}
