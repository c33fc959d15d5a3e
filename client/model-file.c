#include "client/model-file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/failure.h"

#define PART_FORMAT "-%05u-of-%05u.gguf"
#define PART_LENGTH (sizeof "-00001-of-00003.gguf" - 1)

unsigned model_file_count(const char *path, size_t *ret_stem) {
    char expected[PART_LENGTH + 16];
    size_t length = strlen(path);
    unsigned no, count;
    if (length <= PART_LENGTH) return 0;
    const char *end = path + length - PART_LENGTH;
    if (sscanf(end, PART_FORMAT, &no, &count) != 2) return 0;
    g_snprintf(expected, sizeof expected, PART_FORMAT, no, count);
    if (!g_str_equal(expected, end) || no < 1 || no > count) return 0;
    *ret_stem = length - PART_LENGTH;
    return count;
}

/* Not blocking: whoever passes a FIFO is told, not kept waiting. -errno. */
static int file_open(const char *path) {
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static int file_add(ModelFile *self, const char *path) {
    struct stat status;
    char magic[4];
    int fd = file_open(path);
    if (fd < 0 || fstat(fd, &status) < 0) {
        int r = -errno;
        failure(_("Cannot open %s: %s"), path, g_strerror(-r));
        if (fd >= 0) close(fd);
        return r;
    }
    self->fds[self->n++] = fd;
    if (!S_ISREG(status.st_mode))
        failure(_("%s is not a regular file."), path);
    else if (pread(fd, magic, sizeof magic, 0) != sizeof magic || memcmp(magic, "GGUF", 4))
        failure(_("%s is not a GGUF file."), path);
    else
        return 0;
    return -EINVAL;
}

static int parts_add(ModelFile *self, const char *path, size_t stem, unsigned count) {
    if (count > MODEL_FILES_MAX) {
        failure_hint(_("Merge them with \"llama-gguf-split --merge\"."),
                     _("%s is one of %u parts; at most %u can be installed."), path, count,
                     MODEL_FILES_MAX);
        return -E2BIG;
    }
    for (unsigned i = 1; i <= count; i++) {
        g_autofree char *part = g_strdup_printf("%.*s" PART_FORMAT, (int)stem, path, i, count);
        if (access(part, F_OK) < 0 && errno == ENOENT) {
            failure(_("Part %u of %u is missing: there is no %s."), i, count, part);
            return -ENOENT;
        }
        int r = file_add(self, part);
        if (r < 0) return r;
    }
    return 0;
}

int model_file_open(const char *path, ModelFile *ret) {
    g_auto(ModelFile) self = {.n = 0};
    size_t stem;
    unsigned count = model_file_count(path, &stem);
    int r = count > 1 ? parts_add(&self, path, stem, count) : file_add(&self, path);
    if (r < 0) return r;
    *ret = self;
    self.n = 0;
    return 0;
}

void model_file_close(ModelFile *self) {
    for (unsigned i = 0; i < self->n; i++) close(self->fds[i]);
    self->n = 0;
}
