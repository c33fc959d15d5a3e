/*
 * The properties of an object of the service, read into a struct by a table and shown from it: as
 * JSON for programs, as lines for people. Properties that the table lacks, or whose type is not
 * the expected one, are passed over.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "client/connection.h"

enum Unit { UNIT_NONE, UNIT_BYTES, UNIT_COUNT };

struct Property {
    const char *name;  /* on the bus: "ContextLength" */
    const char *key;   /* in JSON: "context_length" */
    const char *label; /* for people, untranslated; NULL: not shown */
    char type;         /* 's' (char *, owned), 'u' (uint32_t), 't' (uint64_t), 'b' (bool) */
    enum Unit unit;
    size_t offset;
};

/* -errno after ret_error was set; `ret` starts zeroed. The caller frees with properties_done(). */
int properties_read(Connection *connection, const char *path, const char *interface,
                    const struct Property *rows, size_t n_rows, sd_bus_error *ret_error, void *ret);
void properties_done(const struct Property *rows, size_t n_rows, void *object);

/* "1.4 GiB". The caller frees. */
char *property_format(const struct Property *row, const void *object);
/* Members of the object that `builder` is in. */
void properties_json(const struct Property *rows, size_t n_rows, const void *object,
                     JsonBuilder *builder);
/* One aligned line each, on stdout; none for a string that is empty. */
void properties_print(const struct Property *rows, size_t n_rows, const void *object);
