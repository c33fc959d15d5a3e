/*
 * Manager.InstallModel: descriptors and words in, a request out.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "api/bus-internal.h"
#include "dbus/names.h"

/* The message keeps its own. */
static int fd_read(sd_bus_message *m, GArray *fds) {
    int fd;
    int r = sd_bus_message_read_basic(m, 'h', &fd);
    if (r <= 0) return r;
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) return -errno;
    g_array_append_val(fds, fd);
    return 1;
}

static int files_read(sd_bus_message *m, void *ret) {
    GArray *fds = *(GArray **)ret; /* of the model: with the first one already */
    int r = sd_bus_message_enter_container(m, 'a', "h");
    while (r >= 0 && (r = fd_read(m, fds)) > 0) continue;
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int flag_read(sd_bus_message *m, void *ret) {
    int value;
    int r = sd_bus_message_read_basic(m, 'b', &value);
    if (r >= 0) *(bool *)ret = value;
    return r;
}

static int word_read(sd_bus_message *m, void *ret) {
    const char *value;
    int r = sd_bus_message_read_basic(m, 's', &value);
    if (r < 0) return r;
    g_free(*(char **)ret);
    *(char **)ret = g_strdup(value);
    return 0;
}

#define FIELD(name) offsetof(struct BusArguments, name)

static const struct InstallOption {
    const char *name, *type;
    int (*read)(sd_bus_message *m, void *ret);
    size_t offset;
} options[] = {
    {"replace", "b", flag_read, FIELD(replace)},     {"parts", "ah", files_read, FIELD(files)},
    {"draft", "ah", files_read, FIELD(draft_files)}, {"weights", "s", word_read, FIELD(weights)},
    {"kv_type", "s", word_read, FIELD(kv_type)},
};

static int option_read(sd_bus_message *m, struct BusArguments *arguments, sd_bus_error *error) {
    const char *name, *contents;
    size_t i = 0;
    int r = sd_bus_message_read_basic(m, 's', &name);
    if (r < 0) return r;
    while (i < G_N_ELEMENTS(options) && strcmp(options[i].name, name)) i++;
    if (i == G_N_ELEMENTS(options))
        return sd_bus_error_setf(error, ERROR_INVALID_ARGS, "There is no option %s.", name);
    r = sd_bus_message_peek_type(m, NULL, &contents);
    if (r < 0) return r;
    if (strcmp(contents, options[i].type))
        return sd_bus_error_setf(error, ERROR_INVALID_ARGS, "Option %s has type %s, not %s.", name,
                                 options[i].type, contents);
    r = sd_bus_message_enter_container(m, 'v', options[i].type);
    if (r >= 0) r = options[i].read(m, (char *)arguments + options[i].offset);
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

int bus_read_install(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    struct BusArguments *arguments = &call->arguments;
    arguments->files = g_array_new(FALSE, FALSE, sizeof(int));
    arguments->draft_files = g_array_new(FALSE, FALSE, sizeof(int));
    int r = bus_read_model(m, &arguments->model, error);
    if (r >= 0) r = fd_read(m, arguments->files);
    if (r >= 0) r = sd_bus_message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = option_read(m, arguments, error);
        if (r >= 0) r = sd_bus_message_exit_container(m);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

void bus_act_install(BusCall *call) {
    struct BusArguments *arguments = &call->arguments;
    guint n_files = arguments->files->len;
    g_array_append_vals(arguments->files, arguments->draft_files->data,
                        arguments->draft_files->len);
    const struct InstallSpec spec = {
        .uid = call->peer->uid,
        .name = arguments->model,
        .fds = (const int *)(void *)arguments->files->data,
        .n_files = n_files,
        .n_draft_files = arguments->draft_files->len,
        .weights = arguments->weights,
        .kv_type = arguments->kv_type,
        .replace = arguments->replace,
    };
    Problem problem;
    Request *request;
    int r = service_install(call->bus->service, &spec, &request, &problem);
    g_array_set_size(arguments->files, 0); /* they are the service's */
    g_array_set_size(arguments->draft_files, 0);
    if (r < 0)
        bus_call_fail(call, &problem);
    else
        bus_return_request(call, request);
}

static void files_free(GArray *files) {
    for (guint i = 0; files && i < files->len; i++) close(g_array_index(files, int, i));
    if (files) g_array_unref(files);
}

void bus_install_done(struct BusArguments *arguments) {
    files_free(arguments->files);
    files_free(arguments->draft_files);
    g_free(arguments->weights);
    g_free(arguments->kv_type);
}
