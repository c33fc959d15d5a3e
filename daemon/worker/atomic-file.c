#include "worker/atomic-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int atomic_file_open(AtomicFile *self, const char *directory, const char *name) {
    g_autofree char *temporary_name = g_strdup_printf(".%s.new", name);

    *self = ATOMIC_FILE_NONE;
    self->directory = g_strdup(directory);
    self->path = g_build_filename(directory, name, NULL);
    self->temporary = g_build_filename(directory, temporary_name, NULL);
    unlink(self->temporary);
    self->fd = open(self->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (self->fd >= 0) return 0;
    int r = -errno;
    atomic_file_done(self);
    return r;
}

/* Without it the rename may be lost with the power. */
static int directory_sync(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

int atomic_file_commit(AtomicFile *self) {
    if (fsync(self->fd) < 0) return -errno;
    if (rename(self->temporary, self->path) < 0) return -errno;
    g_clear_pointer(&self->temporary, g_free);
    return directory_sync(self->directory);
}

void atomic_file_done(AtomicFile *self) {
    if (self->temporary && self->fd >= 0) unlink(self->temporary);
    if (self->fd >= 0) close(self->fd);
    g_free(self->directory);
    g_free(self->path);
    g_free(self->temporary);
    *self = ATOMIC_FILE_NONE;
}
