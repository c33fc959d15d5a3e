/*
 * One installation: copy, pack, retire the model that is replaced, put into place.
 */
#pragma once

#include <stdint.h>

#include "service/library.h"
#include "service/request-internal.h"
#include "service/supervisor.h"
#include "service/workers.h"

typedef struct Install Install;

/* Where it works. */
struct InstallPlace {
    Library *library;
    Supervisor *supervisor;
    Workers *workers;
};

/* Checks that `fd` is a regular file open for reading, and its size. */
int install_check_fd(int fd, uint64_t *ret_size, Problem *why);
/* Begins in the next turn of the main loop and finishes `request`, of which it keeps a reference;
 * then calls `ended`, which frees it. Takes `fd`. */
Install *install_new(const struct InstallPlace *place, Request *request, const char *name, int fd,
                     uint64_t size, void (*ended)(Install *install, void *userdata),
                     void *userdata);
/* Removes what is not finished, without a word. */
Install *install_free(Install *install);
const char *install_name(const Install *install);
