/* ryzen-llm load: a model, before it is needed. */
#include <stdlib.h>

#include "client/arguments.h"
#include "client/connection.h"

int verb_load(const struct Verb *verb, int argc, char **argv) {
    struct Arguments arguments = {0};
    int code = arguments_parse(&arguments, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;
    g_auto(GStrv) names = arguments.rest;

    g_autoptr(Connection) connection = NULL;
    if (connection_open(&connection) < 0) return EXIT_FAILURE;
    sd_bus_message *call = connection_manager(connection, "Load");
    sd_bus_message_append(call, "sa{sv}", names[0], 0);
    return connection_call(connection, call, NULL) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
