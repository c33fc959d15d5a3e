/*
 * One installation: copy, pack, retire the model that is replaced, put into place. What was asked
 * for goes to the packer, and to every worker later, in install.json beside the copy.
 */
#pragma once

#include <stdint.h>

#include "service/library.h"
#include "service/request-internal.h"
#include "service/supervisor.h"
#include "service/workers.h"

typedef struct Install Install;
struct InstallSpec; /* service/service.h */

/* Where it works. */
struct InstallPlace {
    Library *library;
    Supervisor *supervisor;
    Workers *workers;
};

/* Checks the descriptors (regular files, open for reading), their number and the words. */
int install_check(const struct InstallSpec *spec, Problem *why);
/* Begins in the next turn of the main loop and finishes `request`, of which it keeps a reference;
 * then calls `ended`, which frees it. Takes the descriptors of `spec`, which was checked. */
Install *install_new(const struct InstallPlace *place, Request *request,
                     const struct InstallSpec *spec,
                     void (*ended)(Install *install, void *userdata), void *userdata);
/* Removes what is not finished, without a word. */
Install *install_free(Install *install);
const char *install_name(const Install *install);
