/* ryzen-llm show: all about one model. */
#include <glib/gi18n.h>
#include <stdlib.h>

#include "client/arguments.h"
#include "client/model.h"
#include "client/output.h"

static void json_print(const struct Model *model) {
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_object(builder);
    model_json(model, builder);
    json_builder_end_object(builder);
    output_json(builder);
}

int verb_show(const struct Verb *verb, int argc, char **argv) {
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print a JSON object"), NULL},
        {NULL},
    };
    struct Arguments arguments = {.entries = entries};
    int code = arguments_parse(&arguments, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;
    g_auto(GStrv) names = arguments.rest;

    g_autoptr(Connection) connection = NULL;
    g_auto(Model) model = {0};
    if (connection_open(&connection) < 0 || model_get(connection, names[0], &model) < 0)
        return EXIT_FAILURE;
    if (json)
        json_print(&model);
    else
        model_print(&model);
    return EXIT_SUCCESS;
}
