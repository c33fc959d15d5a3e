/* ryzen-llm: the command line of the local language model service. */
#include <errno.h>
#include <glib.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection.h"
#include "client/failure.h"
#include "client/output.h"
#include "client/suggest.h"
#include "client/verb.h"

static const struct Verb verbs[] = {
    {"ask", verb_ask, N_("Ask one question and print the answer"), N_("PROMPT..."), 0, -1,
     N_("Without a PROMPT it is read from standard input; what is piped in follows a PROMPT.\n"
        "The likeliest answer is given, the same each time, unless --temperature says otherwise.\n"
        "\n"
        "Examples:\n"
        "  ryzen-llm ask how do I find files larger than 100 MB\n"
        "  dmesg | tail -n 20 | ryzen-llm ask what is wrong here\n"
        "  ryzen-llm ask --json --max-tokens 50 name three colours | jq -r .answer\n"
        "  ryzen-llm ask --raw \"Once upon a time\"")},
    {"chat", verb_chat, N_("Talk with a model"), "", 0, 0,
     N_("Each line is a message. /help shows the commands, Ctrl-C stops an answer, Ctrl-D ends.\n"
        "\n"
        "Examples:\n"
        "  ryzen-llm chat -m bitnet-2b --system \"Answer in one sentence.\"\n"
        "  printf 'hello\\n/exit\\n' | ryzen-llm chat")},
    {"models", verb_models, N_("List the installed models"), "", 0, 0,
     N_("The default model is marked with *.\n"
        "\n"
        "Examples:\n"
        "  ryzen-llm models\n"
        "  ryzen-llm models --json | jq '.[].name'")},
    {"show", verb_show, N_("Show all about a model"), N_("MODEL"), 1, 1,
     N_("Examples:\n"
        "  ryzen-llm show bitnet-2b")},
    {"install", verb_install, N_("Install a model from a GGUF file"), N_("FILE"), 1, 1,
     N_("The file is copied, checked and packed for this processor; Ctrl-C undoes that. A name "
        "that\n"
        "ends in -00001-of-0000N.gguf stands for all N parts beside it.\n"
        "\n"
        "Examples:\n"
        "  ryzen-llm install ~/Downloads/bitnet-2b.gguf\n"
        "  ryzen-llm install --weights q8 --draft qwen2.5-0.5b.gguf "
        "qwen2.5-7b-00001-of-00002.gguf\n"
        "  ryzen-llm install --name bitnet --replace bitnet-2b-v2.gguf")},
    {"remove", verb_remove, N_("Remove installed models and their files"), N_("MODEL..."), 1, -1,
     N_("Examples:\n"
        "  ryzen-llm remove bitnet-2b")},
    {"load", verb_load, N_("Load a model before it is needed"), N_("MODEL"), 1, 1,
     N_("Any request loads its model; this saves the first one the wait.\n"
        "\n"
        "Examples:\n"
        "  ryzen-llm load bitnet-2b")},
    {"unload", verb_unload, N_("Give the memory of a model back"), N_("MODEL"), 1, 1,
     N_("Examples:\n"
        "  ryzen-llm unload bitnet-2b\n"
        "  ryzen-llm unload --force bitnet-2b")},
    {"status", verb_status, N_("Show how the service is doing"), "", 0, 0,
     N_("Examples:\n"
        "  ryzen-llm status\n"
        "  ryzen-llm status --json | jq .memory_used")},
    {"bench", verb_bench, N_("Measure how fast a model answers"), "", 0, 0,
     N_("Measured from outside, through D-Bus, as every program gets its answers: greedy, on past\n"
        "the end of text, each prompt a new one. Time to first token: from the call to the first\n"
        "text. Prompt: tokens that were not recycled; Decode: tokens after the first of one "
        "request;\n"
        "both by the service's clock. All requests: answer tokens of a round, by all of its time.\n"
        "\n"
        "With --suite or --shape the service takes no part: memory and units of this machine are\n"
        "measured, then models of real shapes with random weights, or the kernels alone, each\n"
        "figure with its part of what the machine can do at most.\n"
        "\n"
        "Examples:\n"
        "  ryzen-llm bench\n"
        "  ryzen-llm bench -m bitnet-2b --prompt-tokens 512 --concurrency 4 --json\n"
        "  ryzen-llm bench --shape bitnet-7b --threads 1,2 --plot bitnet.svg\n"
        "  ryzen-llm bench --suite kernels --output kernels.json\n"
        "  ryzen-llm bench --shape mamba-2.8b --weights Q8_0 --export mamba.gguf")},
    {"help", verb_help, N_("Show help for a command"), N_("[COMMAND]"), 0, 1, ""},
};

const struct Verb *verb_find(const char *name) {
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (g_str_equal(verbs[i].name, name)) return &verbs[i];
    return NULL;
}

static int help_print(void) {
    printf("%s\n\n%s\n", _("Usage: ryzen-llm [--user] COMMAND [OPTION...] [ARGUMENT...]"),
           _("Commands:"));
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
        printf("  %-8s  %s\n", verbs[i].name, _(verbs[i].summary));
    printf("\n%s\n  --user     %s\n  --version  %s\n  --help     %s\n", _("Options:"),
           _("Use the session bus (also: RYZEN_LLM_BUS=user)"), _("Show the version"),
           _("Show this help; after a command, the command's"));
    printf("\n%s\n", _("Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted by Ctrl-C."));
    return EXIT_SUCCESS;
}

static int unknown_verb(const char *name) {
    const char *names[G_N_ELEMENTS(verbs) + 1] = {NULL};
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) names[i] = verbs[i].name;
    const char *near = suggest(name, names);
    if (!near) return failure_usage(NULL, _("There is no command \"%s\"."), name);
    return failure_usage(NULL, _("There is no command \"%s\". Did you mean \"%s\"?"), name, near);
}

int verb_help(const struct Verb *verb, int argc, char **argv) {
    char help[] = "--help";
    if (argc < 2) return help_print();
    if (argc > 2) return failure_usage(NULL, _("\"%s\" is one argument too many."), argv[2]);
    if (g_str_equal(argv[1], "--help") || g_str_equal(argv[1], "-h")) return help_print();
    const struct Verb *other = verb_find(argv[1]);
    if (!other) return unknown_verb(argv[1]);
    if (other->run == verb_help) return help_print();
    char *arguments[] = {argv[1], help, NULL};
    return other->run(other, 2, arguments);
}

/* Every string of the command line goes to the service or into a message. */
static int arguments_check(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (!g_utf8_validate(argv[i], -1, NULL))
            return failure_usage(NULL, _("Argument %d is not UTF-8 text."), i);
    return EXIT_SUCCESS;
}

static int version_print(void) {
    printf("ryzen-llm %s\n", RYZEN_LLM_VERSION);
    return EXIT_SUCCESS;
}

static int command_run(int argc, char **argv) {
    int i = 1;
    for (; i < argc && *argv[i] == '-'; i++) {
        if (g_str_equal(argv[i], "--version")) return version_print();
        if (g_str_equal(argv[i], "--help") || g_str_equal(argv[i], "-h")) return help_print();
        if (!g_str_equal(argv[i], "--user"))
            return failure_usage(NULL, _("There is no option \"%s\"."), argv[i]);
        connection_prefer_user();
    }
    if (i == argc) return failure_usage(NULL, _("There is no command."));
    const struct Verb *verb = verb_find(argv[i]);
    return verb ? verb->run(verb, argc - i, argv + i) : unknown_verb(argv[i]);
}

int main(int argc, char **argv) {
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C"); /* "0.7" is a number wherever one lives */
    bindtextdomain(GETTEXT_PACKAGE, LOCALE_DIRECTORY);
    bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
    textdomain(GETTEXT_PACKAGE);
    int code = arguments_check(argc, argv);
    if (code == EXIT_SUCCESS) code = command_run(argc, argv);
    return output_close(code);
}
