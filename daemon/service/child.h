/*
 * One child process: a worker or a packer that the daemon starts itself. Its standard error is
 * passed on to ours and its last line remembered; it gets SIGTERM when the daemon dies.
 */
#pragma once

#include "service/supervisor.h"

typedef struct Child Child;

struct ChildEvents {
    void (*line)(const char *line, void *userdata); /* of standard output; NULL: not wanted */
    /* Once, after all its output has been read. */
    void (*ended)(const struct WorkerEnd *end, void *userdata);
};

/* `listen_fd` >= 0 is passed as systemd would (LISTEN_FDS, FileDescriptorName worker); borrowed. */
int child_new(const char *const *argv, int listen_fd, const struct ChildEvents *events,
              void *userdata, Child **ret, Problem *why);
/* Without an event; kills it when it still runs. */
Child *child_free(Child *child);
void child_signal(Child *child, int signal);
