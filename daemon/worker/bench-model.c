#include "worker/bench-model.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "engine/bench/machine.h"
#include "worker/bench-report.h"
#include "worker/model-path.h"

/* Steps of the longest prompt that is measured. */
#define MAX_TOKENS 512u
/* At a time, as the daemon copies (service/copy.c). */
#define COPY_SIZE (1u << 20)
/* Beside the files of an installed model. */
#define MADE_FILE "made.gguf"

/* ---- What fits ---- */

/* The file is copied or packed to one that lies beside it, and is then read in memory. */
static uint64_t fitting_bytes(const char *directory) {
    struct statvfs disk;
    const uint64_t memory = machine_room_bytes() / 100 * 85;
    if (statvfs(directory, &disk) < 0) return memory;
    return MIN(memory, (uint64_t)disk.f_bavail * disk.f_frsize / 100 * 45);
}

static int too_large(const struct SyntheticOptions *synthetic, uint64_t size, uint64_t fitting,
                     const char *directory, Reason *why) {
    return reason_set(why, ENOSPC,
                      "%s with %u layers takes %.2f GiB, and memory and %s have room for %.2f GiB",
                      synthetic->shape, synthetic->n_layers, (double)size / (1 << 30), directory,
                      (double)fitting / (1 << 30));
}

/* What was asked for is measured, or nothing. */
static int layers_cut(const struct BenchModel *self, struct SyntheticOptions *synthetic,
                      Reason *why) {
    const uint64_t fitting = fitting_bytes(self->directory);
    uint32_t n_layers, n = synthetic->n_layers;
    uint64_t size;
    int r = synthetic_measure(synthetic, &n_layers, &size, why);
    if (r < 0 || size <= fitting) return r;
    if (n > 0) return too_large(synthetic, size, fitting, self->directory, why);
    for (n = n_layers; r == 0 && n > 1 && size > fitting;) {
        synthetic->n_layers = --n;
        r = synthetic_measure(synthetic, &n, &size, why);
    }
    if (r < 0) return r;
    if (size > fitting) return too_large(synthetic, size, fitting, self->directory, why);
    g_autofree char *text = g_strdup_printf(
        "cut to %u of %u layers, for which there is room in memory and %s; tokens a second are "
        "those of the smaller model, percentages hold",
        n, n_layers, self->directory);
    bench_report_note(synthetic->shape, text);
    return r;
}

/* ---- The files ---- */

static int write_progress(void *userdata, uint64_t done, uint64_t total) {
    return report_progress(userdata, "synthesize", (double)done, (double)total);
}

static char *made_path(const struct BenchModel *self) {
    return g_build_filename(self->directory, MADE_FILE, NULL);
}

static char *gguf_path(const struct BenchModel *self) {
    return g_build_filename(self->directory, MODEL_FILE, NULL);
}

static int gguf_write(struct BenchModel *self, const char *path,
                      const struct SyntheticOptions *synthetic, const struct Report *report,
                      Reason *why) {
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return reason_set(why, errno, "%s: %s", path, g_strerror(errno));
    int r = synthetic_write(fd, synthetic, write_progress, (void *)report, why);
    if (r == 0) self->gguf_bytes = (uint64_t)lseek(fd, 0, SEEK_END);
    close(fd);
    return r;
}

/* The packer's own progress, until it has ended. */
static int pack_follow(GSubprocess *packer, const struct Report *report) {
    g_autoptr(GDataInputStream) lines =
        g_data_input_stream_new(g_subprocess_get_stdout_pipe(packer));
    char *line;
    int r = 0;
    while (r == 0 && (line = g_data_input_stream_read_line(lines, NULL, NULL, NULL))) {
        guint64 done, total;
        if (sscanf(line,
                   "{\"type\":\"progress\",\"stage\":\"pack\",\"done\":%" G_GUINT64_FORMAT
                   ",\"total\":%" G_GUINT64_FORMAT,
                   &done, &total) == 2 &&
            report_progress(report, "pack", (double)done, (double)total))
            r = -ECANCELED;
        g_free(line);
    }
    if (r < 0) g_subprocess_force_exit(packer);
    g_subprocess_wait(packer, NULL, NULL);
    return r;
}

/* As installing copies it: what is there when it returns is on the disk. */
static int descriptor_copy(int from, int to, uint64_t size, const struct Report *report) {
    g_autofree char *buffer = g_malloc(COPY_SIZE);
    for (uint64_t done = 0; done < size;) {
        const ssize_t n = pread(from, buffer, COPY_SIZE, (off_t)done);
        if (n <= 0) return n < 0 ? -errno : -EIO;
        if (write(to, buffer, (size_t)n) != n) return errno ? -errno : -ENOSPC;
        done += (uint64_t)n;
        if (report_progress(report, "copy", (double)done, (double)size)) return -ECANCELED;
    }
    return fsync(to) < 0 ? -errno : 0;
}

/* The file at `path`, to where it is packed from. */
static int gguf_copy(struct BenchModel *self, const char *path, const struct Report *report,
                     Reason *why) {
    g_autofree char *copy = gguf_path(self);
    const double start = bench_now();
    const int from = open(path, O_RDONLY | O_CLOEXEC);
    const int to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r = from < 0 || to < 0 ? -errno : descriptor_copy(from, to, self->gguf_bytes, report);
    if (from >= 0) close(from);
    if (to >= 0) close(to);
    self->copy_seconds = bench_now() - start;
    return r < 0 && r != -ECANCELED
               ? reason_set(why, -r, "%s cannot be copied: %s", path, g_strerror(-r))
               : r;
}

static int gguf_pack(struct BenchModel *self, const char *path, const char *requantise,
                     const struct Report *report, Reason *why) {
    g_autoptr(GError) error = NULL;
    const double start = bench_now();
    g_autoptr(GSubprocess) packer = g_subprocess_new(
        G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "/proc/self/exe", "--pack", "--model", path,
        "--output", self->directory, "--weights", requantise ? requantise : "file", NULL);
    if (!packer) return reason_set(why, EIO, "the packer cannot be started: %s", error->message);
    int r = pack_follow(packer, report);
    if (r < 0) return r;
    if (!g_subprocess_get_successful(packer))
        return reason_set(why, EIO, "the model cannot be packed");
    self->pack_seconds = bench_now() - start;
    return 0;
}

/* From a file to a model. Disk is needed for two of its size: what was made goes with its copy. */
static int gguf_install(struct BenchModel *self, const char *path,
                        const struct BenchModelOptions *options, const struct Report *report,
                        Reason *why) {
    g_autofree char *made = made_path(self), *copy = gguf_path(self);
    int r = options->copies ? gguf_copy(self, path, report, why) : 0;
    if (options->copies) g_unlink(made);
    if (r == 0)
        r = gguf_pack(self, options->copies ? copy : path, options->requantise, report, why);
    g_unlink(made);
    g_unlink(copy);
    return r;
}

static int directory_make(struct BenchModel *self, Reason *why) {
    const char *parent = g_getenv("TMPDIR");
    g_autofree char *template =
        g_build_filename(parent && *parent ? parent : "/var/tmp", "ryzen-llm-bench-XXXXXX", NULL);
    if (!g_mkdtemp(template)) return reason_set(why, errno, "%s: %s", template, g_strerror(errno));
    self->directory = g_steal_pointer(&template);
    return 0;
}

int bench_model_make(struct BenchModel *self, const struct SyntheticOptions *synthetic,
                     const struct BenchModelOptions *options, const struct Report *report,
                     Reason *why) {
    struct SyntheticOptions cut = *synthetic;
    *self = (struct BenchModel){NULL};
    int r = directory_make(self, why);
    if (r == 0) r = layers_cut(self, &cut, why);
    if (r < 0) return r;
    g_autofree char *path = made_path(self);
    r = gguf_write(self, path, &cut, report, why);
    return r < 0 ? r : gguf_install(self, path, options, report, why);
}

int bench_model_take(struct BenchModel *self, const char *path,
                     const struct BenchModelOptions *options, const struct Report *report,
                     Reason *why) {
    GStatBuf status;
    *self = (struct BenchModel){NULL};
    if (g_stat(path, &status) < 0)
        return reason_set(why, EINVAL, "%s: %s", path, g_strerror(errno));
    if (S_ISDIR(status.st_mode)) {
        self->directory = g_strdup(path);
        self->is_lent = true;
        return 0;
    }
    self->gguf_bytes = (uint64_t)status.st_size;
    int r = directory_make(self, why);
    return r < 0 ? r : gguf_install(self, path, options, report, why);
}

int bench_model_open(const struct BenchModel *self, unsigned n_threads, Engine **ret, Reason *why) {
    const struct EngineOptions options = {.n_threads = n_threads, .max_tokens = MAX_TOKENS};
    return model_path_open(self->directory, &options, ret, NULL, why);
}

void bench_model_done(struct BenchModel *self) {
    static const char *const files[] = {MADE_FILE, MODEL_FILE, PACKED_FILE, MANIFEST_FILE};
    for (gsize i = 0; self->directory && !self->is_lent && i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(self->directory, files[i], NULL);
        g_unlink(path);
    }
    if (self->directory && !self->is_lent) g_rmdir(self->directory);
    g_clear_pointer(&self->directory, g_free);
}
