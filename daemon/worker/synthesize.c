#include "worker/synthesize.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "engine/synthetic/synthetic.h"
#include "worker/atomic-file.h"
#include "worker/end-signals.h"
#include "worker/event.h"

/* Whoever follows wants to see movement, not every megabyte. */
#define PROGRESS_USEC (100 * 1000)

struct Progress {
    bool is_followed;
    int signal_fd; /* end-signals.h */
    gint64 told_usec;
};

static bool is_pipe(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

/* A reader that leaves cancels, and so does a signal. */
static int progress_tell(void *userdata, uint64_t done, uint64_t total) {
    struct Progress *self = userdata;
    gint64 now_usec = g_get_monotonic_time();
    if (end_signals_came(self->signal_fd)) return -1;
    if (!self->is_followed) return 0;
    if (now_usec - self->told_usec < PROGRESS_USEC && done < total) return 0;

    GString *lines = g_string_new(NULL);
    event_progress(lines, "synthesize", done, total);
    ssize_t n = write(STDOUT_FILENO, lines->str, lines->len);
    g_string_free(lines, TRUE);
    self->told_usec = now_usec;
    return n < 0 ? -1 : 0;
}

static int model_write(const struct SynthesizeOptions *options, int signal_fd, AtomicFile *file,
                       Reason *why) {
    const struct SyntheticOptions synthetic = {
        .shape = options->shape,
        .weights = options->weights,
        .n_layers = options->n_layers,
        .n_vocab = options->n_vocab,
    };
    struct Progress progress = {is_pipe(STDOUT_FILENO), signal_fd, 0};
    g_autofree char *directory = g_path_get_dirname(options->output);
    g_autofree char *name = g_path_get_basename(options->output);

    int r = atomic_file_open(file, directory, name);
    if (r < 0) return reason_set(why, -r, "%s: %s", options->output, g_strerror(-r));
    r = synthetic_write(file->fd, &synthetic, progress_tell, &progress, why);
    if (r < 0) return r;
    r = atomic_file_commit(file);
    return r < 0 ? reason_set(why, -r, "%s: %s", options->output, g_strerror(-r)) : 0;
}

int synthesize_run(const struct SynthesizeOptions *options) {
    g_auto(AtomicFile) file = ATOMIC_FILE_NONE;
    Reason why = {""};

    const int signal_fd = end_signals_open();
    int r = model_write(options, signal_fd, &file, &why);
    close(signal_fd);
    if (r >= 0) return EXIT_SUCCESS;
    if (*why.text) fprintf(stderr, "ryzen-llm-worker: %s\n", why.text);
    return r == -EINVAL ? EX_USAGE : EXIT_FAILURE;
}

void synthesize_list(void) {
    const char *name;
    for (unsigned i = 0; (name = synthetic_shape_name(i)); i++) puts(name);
}
