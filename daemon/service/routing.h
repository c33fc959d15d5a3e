/*
 * Which model answers. Now: the one that was asked for, or the default. Choosing by the kind of
 * task will come here.
 */
#pragma once

#include "service/library.h"

/* `name` may be NULL or "" for the default: `default_name`, or the first by name when that is "" or
 * not installed. NULL when there is none. */
Model *routing_find(Library *library, const char *default_name, const char *name);
