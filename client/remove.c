/* ryzen-llm remove: installed models and their files. */
#include <stdlib.h>

#include "client/arguments.h"
#include "client/connection.h"

int verb_remove(const struct Verb *verb, int argc, char **argv) {
    struct Arguments arguments = {0};
    int code = arguments_parse(&arguments, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;
    g_auto(GStrv) names = arguments.rest;

    g_autoptr(Connection) connection = NULL;
    if (connection_open(&connection) < 0) return EXIT_FAILURE;
    code = EXIT_SUCCESS;
    for (char **name = names; *name; name++) {
        sd_bus_message *call = connection_manager(connection, "RemoveModel");
        sd_bus_message_append(call, "sa{sv}", *name, 0);
        /* As rm does: the others are removed all the same. */
        if (connection_call(connection, call, NULL) < 0) code = EXIT_FAILURE;
    }
    return code;
}
