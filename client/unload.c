/* ryzen-llm unload: gives a model's memory back. */
#include <glib/gi18n.h>
#include <stdlib.h>

#include "client/arguments.h"
#include "client/connection.h"

int verb_unload(const struct Verb *verb, int argc, char **argv) {
    gboolean force = FALSE;
    const GOptionEntry entries[] = {
        {"force", 'f', 0, G_OPTION_ARG_NONE, &force, N_("Cancel the requests that it works on"),
         NULL},
        {NULL},
    };
    struct Arguments arguments = {.entries = entries};
    int code = arguments_parse(&arguments, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;
    g_auto(GStrv) names = arguments.rest;

    g_autoptr(Connection) connection = NULL;
    if (connection_open(&connection) < 0) return EXIT_FAILURE;
    sd_bus_message *call = connection_manager(connection, "Unload");
    sd_bus_message_append(call, "s", names[0]);
    connection_append_flag(call, "force", force);
    return connection_call(connection, call, NULL) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
