/*
 * The SHA-256 of a model's files one after the other, computed on a thread of its own while they
 * are packed.
 */
#pragma once

#include <stdbool.h>

#include "worker/model-files.h"

typedef struct FileDigest FileDigest;

/* `files` must stay open until it is freed. */
FileDigest *file_digest_new(const ModelFiles *files);
/* Ends the thread, finished or not. */
void file_digest_free(FileDigest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FileDigest, file_digest_free)

/* Bytes read so far. */
guint64 file_digest_done(const FileDigest *self);
/* Waits; false: the time (g_get_monotonic_time()) came first. */
bool file_digest_wait(FileDigest *self, gint64 until_usec);
/* Once it has finished: in hex, the FileDigest's. -EBADMSG: the files changed meanwhile. */
int file_digest_get(const FileDigest *self, const char **ret, Reason *why);
