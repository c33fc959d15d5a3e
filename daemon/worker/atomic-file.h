/*
 * A file that is there whole or not at all: written beside its place under another name, brought to
 * the disk, and then renamed.
 */
#pragma once

#include <glib.h>

typedef struct AtomicFile {
    char *directory, *path, *temporary;
    int fd; /* for reading and writing; -1: none */
} AtomicFile;

/* What an interrupted writer left under the temporary name is removed. */
int atomic_file_open(AtomicFile *self, const char *directory, const char *name);
/* Puts it in its place. The descriptor stays open. */
int atomic_file_commit(AtomicFile *self);
/* Closes, and removes what was not committed. Fine on one that is all zero but for fd -1. */
void atomic_file_done(AtomicFile *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AtomicFile, atomic_file_done)

#define ATOMIC_FILE_NONE ((AtomicFile){.fd = -1})
