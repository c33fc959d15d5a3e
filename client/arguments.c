#include "client/arguments.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection.h"
#include "client/failure.h"

/* `option` is "--max-tokens"; data is the group's. */
static gboolean generate_option(const char *option, const char *value, void *data, GError **error) {
    g_autofree char *name = g_strdelimit(g_strdup(option + strspn(option, "-")), "-", '_');
    char range[OPTIONS_RANGE_SIZE];
    int r = options_set_text(data, name, value ?: "true");
    if (r == 0) return TRUE;
    if (r == -ERANGE)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _("%s must be %s."), option,
                    options_range(name, range, sizeof range));
    else
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "%s: %s", option, g_strerror(-r));
    return FALSE;
}

/* --grammar FILE sets the option of that name to what the file has. */
static gboolean file_option(const char *option, const char *value, void *data, GError **error) {
    g_autofree char *text = NULL;
    gsize size;
    if (!g_file_get_contents(value, &text, &size, error)) return FALSE;
    if (strlen(text) == size) return generate_option(option, text, data, error);
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _("%s: %s is not a text file."),
                option, value);
    return FALSE;
}

#define GENERATE_FROM_FILE(name, description)                                                      \
    { name, 0, G_OPTION_FLAG_FILENAME, G_OPTION_ARG_CALLBACK, file_option, description, N_("FILE") }

#define GENERATE(name, flags, description, value)                                                  \
    {                                                                                              \
        name, 0, G_OPTION_FLAG_FILENAME | (flags), G_OPTION_ARG_CALLBACK, generate_option,         \
            description, value                                                                     \
    }

const GOptionEntry arguments_generate_entries[] = {
    GENERATE("max-tokens", 0, N_("Most tokens of the answer (512)"), N_("N")),
    GENERATE("temperature", 0, N_("0 (always the likeliest token) to 2"), N_("X")),
    GENERATE("top-k", 0, N_("Choose from the N likeliest tokens; 0: off (40)"), N_("N")),
    GENERATE("top-p", 0, N_("Choose from tokens of this probability together (0.95)"), N_("X")),
    GENERATE("min-p", 0, N_("Leave out tokens less likely than X of the likeliest (0.05)"),
             N_("X")),
    GENERATE("repeat-penalty", 0, N_("Against repetition, 0.5 to 2; 1: off (1)"), N_("X")),
    GENERATE("presence-penalty", 0, N_("Against tokens that were there, -2 to 2 (0)"), N_("X")),
    GENERATE("frequency-penalty", 0, N_("The same for each time, -2 to 2 (0)"), N_("X")),
    GENERATE("repeat-last-n", 0, N_("Tokens that penalties look back on (64)"), N_("N")),
    GENERATE("typical-p", 0,
             N_("Choose from the most typical tokens of this probability together (1)"), N_("X")),
    GENERATE("top-n-sigma", 0,
             N_("Choose from tokens within X standard deviations of the best; -1: off (-1)"),
             N_("X")),
    GENERATE("min-keep", 0, N_("Leave at least N tokens to choose from (0)"), N_("N")),
    GENERATE("xtc-probability", 0, N_("How often the likeliest choices are left out, 0 to 1 (0)"),
             N_("X")),
    GENERATE("xtc-threshold", 0, N_("How likely a token has to be for that (0.1)"), N_("X")),
    GENERATE("dry-multiplier", 0, N_("Against repeated sequences of tokens; 0: off (0)"), N_("X")),
    GENERATE("dry-base", 0, N_("How much more each further token of them counts, 1 to 100 (1.75)"),
             N_("X")),
    GENERATE("dry-allowed-length", 0, N_("Sequences of N tokens may be repeated (2)"), N_("N")),
    GENERATE("dry-penalty-last-n", 0, N_("Tokens that sequences are looked for in (all)"), N_("N")),
    GENERATE("dry-sequence-breakers", 0, N_("No sequence goes across TEXT; up to 32 times"),
             N_("TEXT")),
    GENERATE("dynatemp-range", 0,
             N_("Temperature plus or minus X, the more uncertain the higher; 0: off (0)"), N_("X")),
    GENERATE("dynatemp-exponent", 0, N_("How uncertainty becomes temperature; 1: evenly (1)"),
             N_("X")),
    GENERATE("mirostat", 0, N_("Steer how surprising the answer is, by method 1 or 2; 0: off (0)"),
             N_("N")),
    GENERATE("mirostat-tau", 0, N_("How surprising, in bits (5)"), N_("X")),
    GENERATE("mirostat-eta", 0, N_("How fast it is steered, 0 to 1 (0.1)"), N_("X")),
    GENERATE("samplers", 0, N_("Use the sampler NAME; several times, in this order"), N_("NAME")),
    GENERATE("logit-bias", 0, N_("Add X to the logit of TOKEN, -inf: never; up to 1024 times"),
             N_("TOKEN=X")),
    GENERATE("seed", 0, N_("Same seed, same answer"), N_("N")),
    GENERATE("stop", 0, N_("End the answer before TEXT; up to 16 times"), N_("TEXT")),
    GENERATE_FROM_FILE("grammar", N_("The answer follows the GBNF grammar in FILE")),
    GENERATE_FROM_FILE("json-schema", N_("The answer is JSON that the schema in FILE allows")),
    GENERATE("draft", 0, N_("Guess ahead: auto, off, lookup or model; same answer (auto)"),
             N_("MODE")),
    GENERATE("ignore-eos", G_OPTION_FLAG_NO_ARG, N_("Go on past the model's end of text"), NULL),
    {NULL},
};

/* Groups are listed in the order in which they are added, under their titles. */
static void group_add(GOptionContext *context, const char *name, const char *title,
                      const GOptionEntry *entries, const GOptionEntry *more, void *data) {
    GOptionGroup *group = g_option_group_new(name, title, "", data, NULL);
    if (entries) g_option_group_add_entries(group, entries);
    if (more) g_option_group_add_entries(group, more);
    g_option_group_set_translation_domain(group, GETTEXT_PACKAGE);
    g_option_context_add_group(context, group);
}

static GOptionContext *context_new(const struct Arguments *arguments, const struct Verb *verb,
                                   const GOptionEntry *common, const GOptionEntry *rest) {
    const char *parameters = *verb->parameters ? _(verb->parameters) : NULL;
    GOptionContext *context = g_option_context_new(parameters);
    g_option_context_set_help_enabled(context, FALSE); /* it would exit() */
    g_option_context_set_summary(context, _(verb->summary));
    if (*verb->details) g_option_context_set_description(context, _(verb->details));
    g_option_context_add_main_entries(context, rest, NULL);
    group_add(context, "options", _("Options:"), arguments->entries, common, NULL);
    if (arguments->generate)
        group_add(context, "generation", _("Generation options:"), arguments_generate_entries, NULL,
                  arguments->generate);
    return context;
}

static int help_print(GOptionContext *context, const struct Verb *verb) {
    g_autofree char *program = g_strconcat("ryzen-llm ", verb->name, NULL);
    g_set_prgname(program);
    g_autofree char *help = g_option_context_get_help(context, FALSE, NULL);
    fputs(help, stdout);
    return EXIT_SUCCESS;
}

static int rest_check(const struct Verb *verb, char **rest) {
    int n = (int)g_strv_length(rest);
    if (n < verb->n_min) return failure_usage(verb, _("%s is missing."), _(verb->parameters));
    if (verb->n_max >= 0 && n > verb->n_max)
        return failure_usage(verb, _("\"%s\" is one argument too many."), rest[verb->n_max]);
    return ARGUMENTS_READ;
}

int arguments_parse(struct Arguments *arguments, const struct Verb *verb, int argc, char **argv) {
    gboolean help = FALSE, user = FALSE;
    g_auto(GStrv) rest = NULL;
    g_autoptr(GError) error = NULL;
    const GOptionEntry common[] = {
        {"user", 0, 0, G_OPTION_ARG_NONE, &user, N_("Use the session bus"), NULL},
        {"help", 'h', 0, G_OPTION_ARG_NONE, &help, N_("Show this help"), NULL},
        {NULL},
    };
    const GOptionEntry remaining[] = {
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rest, NULL, NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = context_new(arguments, verb, common, remaining);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        return failure_usage(verb, "%s", error->message);
    if (help) return help_print(context, verb);
    if (user) connection_prefer_user();

    if (!rest) rest = g_new0(char *, 1);
    int r = rest_check(verb, rest);
    if (r == ARGUMENTS_READ) arguments->rest = g_steal_pointer(&rest);
    return r;
}
