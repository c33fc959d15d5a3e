#include "worker/file-digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define READ_SIZE (1u << 20)
#define DIGEST_SIZE 32u /* of SHA-256 */

struct FileDigest {
    const ModelFiles *files;
    GThread *thread;
    EVP_MD_CTX *context; /* OpenSSL's uses the CPU's SHA instructions, GLib's does not */
    char hex[2 * DIGEST_SIZE + 1];
    atomic_ullong done;
    atomic_bool leave;
    int result;           /* 0 or -errno of reading; of the thread until it has finished, as hex */
    atomic_bool finished; /* set under the mutex, for who waits on the condition */
    GMutex mutex;
    GCond cond;
};

static int file_read(FileDigest *self, int fd, guchar *buffer) {
    off_t offset = 0;
    gssize n;

    while ((n = pread(fd, buffer, READ_SIZE, offset)) > 0) {
        if (atomic_load(&self->leave)) return -ECANCELED;
        if (!EVP_DigestUpdate(self->context, buffer, (size_t)n)) return -ENOMEM;
        offset += n;
        atomic_fetch_add(&self->done, (guint64)n);
    }
    return n < 0 ? -errno : 0;
}

static int files_read(FileDigest *self) {
    g_autofree guchar *buffer = g_malloc(READ_SIZE);
    guchar digest[EVP_MAX_MD_SIZE];
    int r = 0;

    if (!self->context || !EVP_DigestInit_ex(self->context, EVP_sha256(), NULL)) return -ENOMEM;
    for (gsize i = 0; r == 0 && i < self->files->n; i++)
        r = file_read(self, self->files->fds[i], buffer);
    if (r < 0) return r;
    if (!EVP_DigestFinal_ex(self->context, digest, NULL)) return -ENOMEM;
    for (gsize i = 0; i < DIGEST_SIZE; i++) sprintf(self->hex + 2 * i, "%02x", digest[i]);
    return 0;
}

static void *read_files(void *userdata) {
    FileDigest *self = userdata;

    self->result = files_read(self);
    g_mutex_lock(&self->mutex);
    atomic_store(&self->finished, true);
    g_cond_signal(&self->cond);
    g_mutex_unlock(&self->mutex);
    return NULL;
}

FileDigest *file_digest_new(const ModelFiles *files) {
    FileDigest *self = g_new0(FileDigest, 1);

    self->files = files;
    self->context = EVP_MD_CTX_new();
    g_mutex_init(&self->mutex);
    g_cond_init(&self->cond);
    self->thread = g_thread_new("digest", read_files, self);
    return self;
}

void file_digest_free(FileDigest *self) {
    if (!self) return;
    atomic_store(&self->leave, true);
    g_thread_join(self->thread);
    EVP_MD_CTX_free(self->context);
    g_mutex_clear(&self->mutex);
    g_cond_clear(&self->cond);
    g_free(self);
}

guint64 file_digest_done(const FileDigest *self) {
    return atomic_load(&self->done);
}

bool file_digest_wait(FileDigest *self, gint64 until_usec) {
    g_mutex_lock(&self->mutex);
    while (!atomic_load(&self->finished) &&
           g_cond_wait_until(&self->cond, &self->mutex, until_usec)) {
    }
    g_mutex_unlock(&self->mutex);
    return atomic_load(&self->finished);
}

int file_digest_get(const FileDigest *self, const char **ret, Reason *why) {
    if (self->result < 0)
        return reason_set(why, -self->result, "the model cannot be read: %s",
                          g_strerror(-self->result));
    if (file_digest_done(self) != self->files->size)
        return reason_set(why, EBADMSG, "the file changed while it was read");
    *ret = self->hex;
    return 0;
}
