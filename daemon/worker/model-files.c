#include "worker/model-files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/limits.h"
#include "worker/model-path.h"

/* The last thing of a name: "-00001-of-00003.gguf". */
#define PART_FORMAT "-%05u-of-%05u.gguf"
#define PART_SIZE (sizeof "-00001-of-00003.gguf" - 1)

static int file_add(ModelFiles *self, const char *path, Reason *why) {
    struct stat status;

    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO must not block */
    if (fd < 0) return reason_set(why, errno, "%s: %s", path, g_strerror(errno));
    self->fds[self->n++] = fd;
    if (fstat(fd, &status) < 0) return reason_set(why, errno, "%s: %s", path, g_strerror(errno));
    if (!S_ISREG(status.st_mode)) return reason_set(why, EBADMSG, "%s is not a regular file", path);
    self->size += (guint64)status.st_size;
    return 0;
}

/* Of "NAME-00002-of-00003.gguf": 3, and how long NAME is; 0: not such a name. */
static unsigned parts_count(const char *path, gsize *ret_stem) {
    gsize size = strlen(path);
    unsigned no, count;
    char expected[PART_SIZE + 16];

    if (size <= PART_SIZE) return 0;
    const char *end = path + size - PART_SIZE;
    if (sscanf(end, PART_FORMAT, &no, &count) != 2) return 0;
    g_snprintf(expected, sizeof expected, PART_FORMAT, no, count);
    if (!g_str_equal(expected, end) || no < 1 || no > count) return 0;
    *ret_stem = size - PART_SIZE;
    return count;
}

static int parts_add(ModelFiles *self, const char *path, gsize stem, unsigned count, Reason *why) {
    if (count > PARTS_MAX)
        return reason_set(why, EFBIG, "%s: the model is split over %u files, the limit is %u", path,
                          count, PARTS_MAX);
    for (unsigned i = 1; i <= count; i++) {
        g_autofree char *part = g_strdup_printf("%.*s" PART_FORMAT, (int)stem, path, i, count);
        int r = file_add(self, part, why);
        if (r == -ENOENT)
            return reason_set(why, EBADMSG, "part %u of %u is missing: %s: No such file", i, count,
                              part);
        if (r < 0) return r;
    }
    return 0;
}

/* The first part in an installed model's directory, NULL: there is none. */
static char *first_part(const char *directory) {
    g_autoptr(GDir) entries = g_dir_open(directory, 0, NULL);
    const char *name;
    gsize stem;

    while (entries && (name = g_dir_read_name(entries)))
        if (g_str_has_prefix(name, MODEL_PART_PREFIX "-00001-of-") && parts_count(name, &stem) > 0)
            return g_build_filename(directory, name, NULL);
    return NULL;
}

static int files_add(ModelFiles *self, const char *path, Reason *why) {
    gsize stem;

    unsigned count = parts_count(path, &stem);
    return count > 0 ? parts_add(self, path, stem, count, why) : file_add(self, path, why);
}

static int directory_add(ModelFiles *self, const char *path, Reason *why) {
    g_autofree char *model = g_build_filename(path, MODEL_FILE, NULL);
    g_autofree char *part = NULL;

    if (!g_file_test(model, G_FILE_TEST_EXISTS)) part = first_part(path);
    return files_add(self, part ? part : model, why);
}

int model_files_open(ModelFiles *self, const char *path, Reason *why) {
    *self = MODEL_FILES_NONE;
    self->fds = g_new(int, PARTS_MAX);
    int r = g_file_test(path, G_FILE_TEST_IS_DIR) ? directory_add(self, path, why)
                                                  : files_add(self, path, why);
    if (r < 0) model_files_done(self);
    return r;
}

void model_files_done(ModelFiles *self) {
    for (gsize i = 0; i < self->n; i++) close(self->fds[i]);
    g_free(self->fds);
    *self = MODEL_FILES_NONE;
}
