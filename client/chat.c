/* ryzen-llm chat: a conversation, a line at a time. */
#include <errno.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/answer.h"
#include "client/arguments.h"
#include "client/conversation.h"
#include "client/failure.h"
#include "client/model.h"
#include "client/output.h"
#include "dbus/names.h"

typedef struct Chat {
    char *model_name, *system;
    gboolean verbose;
    struct GenerateOptions generate;
    Connection *connection;
    Model model;
    Conversation *conversation;
    bool on_terminal;
    int exit_code;
} Chat;

static void chat_done(Chat *chat) {
    conversation_free(chat->conversation);
    model_done(&chat->model);
    connection_close(chat->connection);
    options_done(&chat->generate);
    g_free(chat->system);
    g_free(chat->model_name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Chat, chat_done)

/* Commands return whether the conversation goes on. */
static bool command_exit(Chat *chat, const char *argument) {
    return false;
}

static bool command_clear(Chat *chat, const char *argument) {
    conversation_clear(chat->conversation);
    fprintf(stderr, "%s\n", _("The conversation starts anew."));
    return true;
}

static bool command_system(Chat *chat, const char *argument) {
    conversation_set_system(chat->conversation, argument);
    fprintf(stderr, "%s\n",
            *argument ? _("The system message is set.") : _("The system message is removed."));
    return true;
}

static bool command_help(Chat *chat, const char *argument);

static const struct Command {
    const char *name, *parameter, *summary;
    bool (*run)(Chat *chat, const char *argument);
} commands[] = {
    {"/exit", "", N_("End the conversation; so does Ctrl-D"), command_exit},
    {"/clear", "", N_("Forget what was said"), command_clear},
    {"/system", "TEXT", N_("Tell the model how to answer; nothing: no longer"), command_system},
    {"/help", "", N_("Show these commands; Ctrl-C stops an answer"), command_help},
};

static bool command_help(Chat *chat, const char *argument) {
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        fprintf(stderr, "  %-8s %-5s %s\n", commands[i].name, commands[i].parameter,
                _(commands[i].summary));
    return true;
}

static bool command_run(Chat *chat, const char *line) {
    size_t length = strcspn(line, " \t");
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strlen(commands[i].name) != length || strncmp(commands[i].name, line, length) != 0)
            continue;
        const char *argument = line + length;
        return commands[i].run(chat, argument + strspn(argument, " \t"));
    }
    failure_hint(_("/help shows the commands; a blank before it makes it a message."),
                 _("There is no command %.*s."), (int)length, line);
    return true;
}

/* What was seen stays part of the conversation, even if Ctrl-C cut it short. */
static void answer_keep(Chat *chat, const Answer *answer) {
    if (*answer_text(answer))
        conversation_add(chat->conversation, "assistant", answer_text(answer));
    else
        conversation_drop_last(chat->conversation);
}

static bool turn_run(Chat *chat, const char *line) {
    sd_bus_message *call = connection_manager(chat->connection, "Chat");
    conversation_add(chat->conversation, "user", line);
    sd_bus_message_append(call, "s", chat->model.name);
    conversation_append(chat->conversation, call);
    options_append(call, &chat->generate);

    g_autoptr(Answer) answer = answer_run(chat->connection, call, false);
    answer_keep(chat, answer);
    if (chat->verbose) answer_timings(answer, chat->model.name);
    int code = answer_exit_code(answer);
    if (code == EXIT_SUCCESS || (chat->on_terminal && !ferror(stdout))) return true;
    chat->exit_code = code;
    return false;
}

static bool line_handle(Chat *chat, const char *line, size_t length) {
    if (!g_utf8_validate_len(line, length, NULL)) {
        chat->exit_code = failure(_("Standard input is not UTF-8 text."));
        return chat->on_terminal;
    }
    if (line[strspn(line, " \t")] == '\0') return true;
    return *line == '/' ? command_run(chat, line) : turn_run(chat, line);
}

/* Length without its newline; -1 at the end of input. The prompt is no part of stdout's text: a
 * conversation can be piped on. */
static ssize_t line_read(const Chat *chat, char **line, size_t *size) {
    if (chat->on_terminal)
        fprintf(stderr, "%s>%s ", output_style(stderr, STYLE_STRONG),
                output_style(stderr, STYLE_PLAIN));
    ssize_t length = getline(line, size, stdin);
    if (length < 0 && chat->on_terminal) fputc('\n', stderr);
    if (length > 0 && (*line)[length - 1] == '\n') (*line)[--length] = '\0';
    return length;
}

static void lines_run(Chat *chat) {
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    while ((length = line_read(chat, &line, &size)) >= 0)
        if (!line_handle(chat, line, (size_t)length)) break;
    free(line);
}

static int chat_parse(Chat *chat, const struct Verb *verb, int argc, char **argv) {
    const GOptionEntry entries[] = {
        {"model", 'm', 0, G_OPTION_ARG_FILENAME, &chat->model_name,
         N_("Name of the model; the default one if not given"), N_("MODEL")},
        {"system", 's', 0, G_OPTION_ARG_FILENAME, &chat->system,
         N_("How to answer, as a system message"), N_("TEXT")},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &chat->verbose, N_("Print timings on stderr"), NULL},
        {NULL},
    };
    struct Arguments arguments = {.entries = entries, .generate = &chat->generate};
    int code = arguments_parse(&arguments, verb, argc, argv);
    if (code == ARGUMENTS_READ) g_strfreev(arguments.rest);
    return code;
}

int verb_chat(const struct Verb *verb, int argc, char **argv) {
    g_auto(Chat) chat = {0};
    options_init(&chat.generate);
    int code = chat_parse(&chat, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;

    if (connection_open(&chat.connection) < 0) return EXIT_FAILURE;
    if (model_get(chat.connection, chat.model_name, &chat.model) < 0) return EXIT_FAILURE;
    if (!chat.model.can_chat)
        return failure_named(ERROR_NO_CHAT_TEMPLATE, _("This model has no chat template."));

    chat.conversation = conversation_new(chat.system);
    chat.on_terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    if (isatty(STDERR_FILENO)) options_set_number(&chat.generate, "progress", 1);
    if (chat.on_terminal) fprintf(stderr, _("%s. /help shows the commands.\n"), chat.model.name);
    lines_run(&chat);
    return chat.exit_code;
}
