/* ryzen-llm status: how the service is doing. */
#include <glib/gi18n.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/arguments.h"
#include "client/model.h"
#include "client/output.h"
#include "client/printable.h"
#include "client/service.h"

static bool is_loaded(const struct Model *model) {
    return g_strcmp0(model->state, "loaded") == 0;
}

static void status_json(const Service *service, GPtrArray *models) {
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_object(builder);
    service_json(service, builder);
    json_builder_set_member_name(builder, "loaded_models");
    json_builder_begin_array(builder);
    for (guint i = 0; i < models->len; i++) {
        const struct Model *model = models->pdata[i];
        if (is_loaded(model)) json_builder_add_string_value(builder, model->name);
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    output_json(builder);
}

static void loaded_print(GPtrArray *models) {
    guint n_loaded = 0;
    for (guint i = 0; i < models->len; i++) {
        const struct Model *model = models->pdata[i];
        if (!is_loaded(model)) continue;
        g_autofree char *name = printable_line(model->name);
        g_autofree char *memory = output_bytes(model->memory_used);
        if (n_loaded++ == 0) printf("\n%s\n", _("Loaded models:"));
        printf("  %s (%s)\n", name, memory);
    }
    if (n_loaded == 0) printf("\n%s\n", _("No model is loaded."));
}

int verb_status(const struct Verb *verb, int argc, char **argv) {
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print a JSON object"), NULL},
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
    if (json) {
        status_json(&service, models);
    } else {
        service_print(&service);
        loaded_print(models);
    }
    return EXIT_SUCCESS;
}
