#include "worker/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/kernels.h"
#include "worker/atomic-file.h"
#include "worker/draft.h"
#include "worker/end-signals.h"
#include "worker/event.h"
#include "worker/file-digest.h"
#include "worker/install-settings.h"
#include "worker/log.h"
#include "worker/manifest.h"
#include "worker/model-path.h"
#include "worker/requantise-word.h"

/* Who follows wants to see movement, not every megabyte. */
#define PROGRESS_USEC (100 * 1000)

/* One model, or its draft model. */
struct Pack {
    const char *model, *output, *name, *stage; /* stage: of the events */
    struct InstallSettings settings;
    int signal_fd; /* end-signals.h */
    ModelFiles files;
    FileDigest *digest;
    AtomicFile packed;
    uint64_t packed_done; /* of the progress: what packing counted */
    gint64 told_usec;     /* when progress was written last */
    struct PackReport report;
};

/* ---- stdout ---- */

/* Waits until stdout takes a line; a signal ends the waiting. */
static int stdout_wait(const struct Pack *self) {
    struct pollfd polls[] = {
        {.fd = STDOUT_FILENO, .events = POLLOUT},
        {.fd = self->signal_fd, .events = POLLIN},
    };
    while (poll(polls, G_N_ELEMENTS(polls), -1) < 0)
        if (errno != EINTR) return -errno;
    return polls[0].revents ? 0 : -ECANCELED;
}

/* One line: a pipe that can be written to takes it whole. */
static int line_write(const struct Pack *self, const GString *line) {
    int r = stdout_wait(self);
    if (r < 0) return r;
    return write(STDOUT_FILENO, line->str, line->len) < 0 ? -errno : 0;
}

static int progress_tell(struct Pack *self, uint64_t done, uint64_t total) {
    gint64 now_usec = g_get_monotonic_time();
    if (end_signals_came(self->signal_fd)) return -ECANCELED;
    if (now_usec - self->told_usec < PROGRESS_USEC && done < total) return 0;

    GString *lines = g_string_new(NULL);
    event_progress(lines, self->stage, done, total);
    int r = line_write(self, lines);
    g_string_free(lines, TRUE);
    self->told_usec = now_usec;
    return r < 0 ? -ECANCELED : 0;
}

static int requantised_tell(const struct Pack *self) {
    GString *lines = g_string_new(NULL);
    event_requantised(lines, self->stage, &self->report);
    int r = lines->len > 0 ? line_write(self, lines) : 0;
    g_string_free(lines, TRUE);
    return r < 0 ? -ECANCELED : 0;
}

static void done_tell(const struct Pack *self, int r, const struct Failure *failure) {
    const char *finish_reason = r >= 0 ? "stop" : r == -ECANCELED ? "cancelled" : "error";
    GString *lines = g_string_new(NULL);

    event_done(lines, finish_reason, NULL, NULL, r >= 0 || r == -ECANCELED ? NULL : failure);
    line_write(self, lines);
    g_string_free(lines, TRUE);
}

/* ---- The steps ---- */

static uint64_t all_done(const struct Pack *self) {
    return self->packed_done + file_digest_done(self->digest);
}

static int handle_packed(void *userdata, uint64_t done, uint64_t total) {
    struct Pack *self = userdata;
    self->packed_done = done;
    return progress_tell(self, all_done(self), total + self->files.size);
}

static int packed_make(struct Pack *self, Reason *why) {
    int r = atomic_file_open(&self->packed, self->output, PACKED_FILE);
    if (r < 0) return reason_set(why, -r, "%s: %s", self->output, g_strerror(-r));
    const struct EnginePackOptions options = {
        .requantise = self->settings.requantise,
        .progress = handle_packed,
        .userdata = self,
    };
    return engine_pack_parts(self->files.fds, self->files.n, self->packed.fd, &options,
                             &self->report, why);
}

/* Waits for the digest; in the end the progress is whole. */
static int digest_finish(struct Pack *self, const char **ret, Reason *why) {
    const uint64_t total = self->packed_done + self->files.size;
    bool finished;

    do {
        finished = file_digest_wait(self->digest, g_get_monotonic_time() + PROGRESS_USEC);
        int r = progress_tell(self, MIN(all_done(self), total), total);
        if (r < 0) return r;
    } while (!finished);
    return file_digest_get(self->digest, ret, why);
}

/* The engine has refused types that are none; a family without keys and values takes no notice. */
static int kv_type_check(const struct Pack *self, const Engine *engine, Reason *why) {
    const struct ModelInfo *info = engine_info(engine);

    if (!self->settings.kv_type || *info->kv_type) return 0;
    return reason_set(why, EINVAL, "a model of the architecture %s has no keys and values to be %s",
                      info->architecture, self->settings.kv_type);
}

/* Opens the draft model that was packed before, if there is one, as a worker will. */
static int draft_check(const struct Pack *self, const Engine *engine, Engine **ret, Reason *why) {
    const struct EngineOptions options = {.max_tokens = 1, .threads_of = engine};
    g_autofree char *path = model_path_draft(self->model);

    if (!g_file_test(path, G_FILE_TEST_IS_DIR)) return 0;
    int r = model_path_open(path, &options, ret, NULL, why);
    return r < 0 ? r : draft_check_model(engine, *ret, why);
}

/* Opens what was packed, as a worker will: the last check of it. */
static int manifest_make(struct Pack *self, const char *digest, char **ret, Reason *why) {
    const struct EngineOptions options = {.max_tokens = 1, .kv_type = self->settings.kv_type};
    struct ManifestFacts facts = {
        .name = self->name,
        .digest = digest,
        .tier = kernels_variant(kernels_best()),
        .size = self->files.size,
        .n_files = self->files.n,
        .requantise = self->settings.requantise,
        .report = &self->report,
    };
    struct stat status;
    Engine *engine, *draft = NULL;

    if (fstat(self->packed.fd, &status) < 0) return -errno;
    facts.packed_bytes = (uint64_t)status.st_size;
    int r = engine_open(self->packed.fd, &options, &engine, why);
    if (r != 0) return r < 0 ? r : -ESTALE; /* our own file, a moment old */
    r = kv_type_check(self, engine, why);
    if (r == 0) r = draft_check(self, engine, &draft, why);
    if (draft) facts.draft = engine_info(draft);
    if (r == 0) *ret = manifest_text(engine, &facts);
    engine_free(draft); /* first: it uses the other one's threads */
    engine_free(engine);
    return r;
}

static int text_write(int fd, const char *text) {
    size_t size = strlen(text);
    gssize n = write(fd, text, size);
    if (n < 0) return -errno;
    return (size_t)n == size ? 0 : -ENOSPC;
}

/* The manifest comes last: where it is, all the rest is. */
static int files_commit(struct Pack *self, const char *manifest_json) {
    g_auto(AtomicFile) manifest = ATOMIC_FILE_NONE;

    int r = atomic_file_open(&manifest, self->output, MANIFEST_FILE);
    if (r >= 0) r = text_write(manifest.fd, manifest_json);
    if (r >= 0) r = atomic_file_commit(&self->packed);
    if (r >= 0) r = atomic_file_commit(&manifest);
    return r;
}

static int pack(struct Pack *self, Reason *why) {
    const char *digest = NULL;
    g_autofree char *manifest = NULL;

    int r = model_files_open(&self->files, self->model, why);
    if (r < 0) return r;
    self->digest = file_digest_new(&self->files);
    r = packed_make(self, why);
    if (r >= 0) r = digest_finish(self, &digest, why);
    if (r >= 0) r = manifest_make(self, digest, &manifest, why);
    if (r >= 0) r = files_commit(self, manifest);
    if (r >= 0) r = requantised_tell(self);
    return r;
}

static int pack_model(const struct PackOptions *options, const char *stage, int signal_fd,
                      Reason *why) {
    struct Pack self = {
        .model = options->model,
        .output = options->output,
        .name = options->name,
        .stage = stage,
        .signal_fd = signal_fd,
        .packed = ATOMIC_FILE_NONE,
    };

    int r = install_settings_load(self.model, &self.settings, why);
    if (options->weights) requantise_parse(options->weights, &self.settings.requantise);
    if (r >= 0) r = pack(&self, why);
    atomic_file_done(&self.packed);
    file_digest_free(self.digest);
    model_files_done(&self.files);
    return r;
}

static int pack_draft(const char *path, int signal_fd, Reason *why) {
    const struct PackOptions options = {.model = path, .output = path, .name = DRAFT_DIRECTORY};
    Reason of_draft = {""};

    int r = pack_model(&options, "draft", signal_fd, &of_draft);
    if (r < 0 && of_draft.text[0]) reason_set(why, -r, "the draft model: %s", of_draft.text);
    return r;
}

int pack_run(const struct PackOptions *options) {
    struct Pack end = {.signal_fd = end_signals_open()};
    g_autofree char *draft = model_path_draft(options->model);
    struct Failure failure = {NULL};
    Reason why = {""};
    int r = 0;

    if (g_file_test(draft, G_FILE_TEST_IS_DIR)) r = pack_draft(draft, end.signal_fd, &why);
    if (r >= 0) r = pack_model(options, "pack", end.signal_fd, &why);
    if (r < 0) {
        failure_set_model(&failure, r, &why);
        log_message(r == -ECANCELED ? LOG_INFO : LOG_ERR, "Cannot pack %s: %s", options->model,
                    failure.message);
    }
    done_tell(&end, r, &failure);
    close(end.signal_fd);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
