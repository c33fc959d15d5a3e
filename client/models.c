/* ryzen-llm models: what is installed. */
#include <glib/gi18n.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/arguments.h"
#include "client/model.h"
#include "client/output.h"
#include "client/service.h"

static void names_print(GPtrArray *models) {
    for (guint i = 0; i < models->len; i++)
        printf("%s\n", ((const struct Model *)models->pdata[i])->name);
}

static void models_json(GPtrArray *models, const char *default_model) {
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_array(builder);
    for (guint i = 0; i < models->len; i++) {
        const struct Model *model = models->pdata[i];
        json_builder_begin_object(builder);
        model_json(model, builder);
        json_builder_set_member_name(builder, "default");
        json_builder_add_boolean_value(builder, g_strcmp0(model->name, default_model) == 0);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    output_json(builder);
}

static void models_table(GPtrArray *models, const char *default_model) {
    static const char *const headings[] = {N_("NAME"),    N_("SIZE"),    N_("PARAMS"),
                                           N_("WEIGHTS"), N_("CONTEXT"), N_("STATE")};
    g_autoptr(GPtrArray) cells = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < G_N_ELEMENTS(headings); i++)
        g_ptr_array_add(cells, g_strdup(_(headings[i])));
    for (guint i = 0; i < models->len; i++) {
        const struct Model *model = models->pdata[i];
        bool is_default = g_strcmp0(model->name, default_model) == 0;
        g_ptr_array_add(cells, g_strconcat(model->name, is_default ? " *" : "", NULL));
        g_ptr_array_add(cells, output_bytes(model->size));
        g_ptr_array_add(cells, output_count(model->parameters));
        g_ptr_array_add(cells, g_strdup(model->weights));
        g_ptr_array_add(cells, g_strdup_printf("%" G_GUINT32_FORMAT, model->context_length));
        g_ptr_array_add(cells, g_strdup(model->state));
    }
    output_table(cells, G_N_ELEMENTS(headings), 1u << 1 | 1u << 2 | 1u << 4);
}

int verb_models(const struct Verb *verb, int argc, char **argv) {
    gboolean json = FALSE, quiet = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print a JSON array"), NULL},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, N_("Print only the names"), NULL},
        {NULL},
    };
    struct Arguments arguments = {.entries = entries};
    int code = arguments_parse(&arguments, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;
    g_strfreev(arguments.rest);

    g_autoptr(Connection) connection = NULL;
    g_autoptr(GPtrArray) models = NULL;
    g_auto(Service) service = {0};
    if (connection_open(&connection) < 0 || service_get(connection, &service) < 0 ||
        model_list(connection, &models) < 0)
        return EXIT_FAILURE;
    if (json)
        models_json(models, service.default_model);
    else if (quiet)
        names_print(models);
    else if (models->len)
        models_table(models, service.default_model);
    else
        fprintf(stderr, "%s\n", _("No model is installed: see \"ryzen-llm install --help\"."));
    return EXIT_SUCCESS;
}
