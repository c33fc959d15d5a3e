#include "service/routing.h"

#include <glib.h>

static Model *default_model(Library *library, const char *default_name) {
    Model *model = *default_name ? library_find(library, default_name) : NULL;
    if (model) return model;
    g_autofree Model **models = library_list(library);
    return models[0];
}

Model *routing_find(Library *library, const char *default_name, const char *name) {
    if (!name || !*name) return default_model(library, default_name);
    return library_find(library, name);
}
