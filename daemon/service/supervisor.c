#include "service/supervisor.h"

#include <glib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

int supervisor_new(const struct Config *config, Supervisor **ret, Problem *why) {
    bool managed = access("/run/systemd/system", F_OK) == 0 && g_getenv("INVOCATION_ID");
    bool systemd =
        strcmp(config->supervisor, "auto") ? !strcmp(config->supervisor, "systemd") : managed;
    return systemd ? supervisor_new_systemd(config, ret, why)
                   : supervisor_new_spawn(config, ret, why);
}

Supervisor *supervisor_free(Supervisor *supervisor) {
    if (supervisor) supervisor->driver->free(supervisor);
    return NULL;
}

void supervisor_configure(Supervisor *supervisor, const struct Config *config) {
    supervisor->driver->configure(supervisor, config);
}

int supervisor_add(Supervisor *supervisor, const char *model, const char *directory, Problem *why) {
    return supervisor->driver->add(supervisor, model, directory, why);
}

void supervisor_remove(Supervisor *supervisor, const char *model, SupervisorRemoved done,
                       void *userdata) {
    supervisor->driver->remove(supervisor, model, done, userdata);
}

void supervisor_connect(Supervisor *supervisor, const char *model, SupervisorConnected done,
                        void *userdata) {
    supervisor->driver->connect(supervisor, model, done, userdata);
}

void supervisor_explain(Supervisor *supervisor, const char *model, SupervisorExplained done,
                        void *userdata) {
    supervisor->driver->explain(supervisor, model, done, userdata);
}

void supervisor_kill(Supervisor *supervisor, const char *model) {
    supervisor->driver->kill(supervisor, model);
}

int supervisor_pack(Supervisor *supervisor, const char *model, const char *directory,
                    SupervisorPacking packing, void *userdata, Problem *why) {
    return supervisor->driver->pack(supervisor, model, directory, packing, userdata, why);
}

void supervisor_pack_cancel(Supervisor *supervisor, const char *model) {
    supervisor->driver->pack_cancel(supervisor, model);
}

char *worker_end_describe(const struct WorkerEnd *end) {
    /* Who is killed has no say; who aborts or exits has said why. */
    bool spoke = *end->words && (end->kind != END_KILLED || end->code == SIGABRT);
    const char *colon = spoke ? ": " : "", *words = spoke ? end->words : "";
    switch (end->kind) {
    case END_EXITED:
        return g_strdup_printf("ended with status %d%s%s", end->code, colon, words);
    case END_KILLED:
        return g_strdup_printf("was killed by signal %d (%s)%s%s", end->code, strsignal(end->code),
                               colon, words);
    case END_FAILED:
        return g_strdup_printf("failed%s%s", colon, words);
    default:
        return g_strdup_printf("ended, it is not known how%s%s", colon, words);
    }
}
