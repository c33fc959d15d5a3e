#include "service/unit-job.h"

#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include "dbus/bus-source.h"
#include "service/journal.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define MANAGER SYSTEMD ".Manager"

typedef struct UnitJob {
    UnitJobs *jobs;
    sd_bus_slot *slot;
    char *unit, *path; /* of the job, once it is known */
    /* one of these */
    void (*done)(const char *result, void *userdata);
    void (*stopped)(void *userdata);
    SupervisorExplained explained;
    void *userdata;
} UnitJob;

struct UnitJobs {
    sd_bus *bus;
    GSource *source;
    GQueue jobs;
    void (*failed)(const char *unit, void *userdata);
    void *userdata;
};

static void job_free(UnitJob *job) {
    g_queue_remove(&job->jobs->jobs, job);
    sd_bus_slot_unref(job->slot);
    g_free(job->unit);
    g_free(job->path);
    g_free(job);
}

static UnitJob *job_new(UnitJobs *jobs, const char *unit, void *userdata) {
    UnitJob *job = g_new0(UnitJob, 1);
    job->jobs = jobs;
    job->unit = g_strdup(unit);
    job->userdata = userdata;
    g_queue_push_tail(&jobs->jobs, job);
    return job;
}

static void job_done(UnitJob *job, const char *result) {
    void (*done)(const char *result, void *userdata) = job->done;
    void (*stopped)(void *userdata) = job->stopped;
    void *userdata = job->userdata;
    job_free(job);
    if (done) done(result, userdata);
    if (stopped) stopped(userdata);
}

void unit_jobs_forget(UnitJobs *jobs, void *userdata) {
    for (GList *l = jobs->jobs.head, *next; l; l = next) {
        next = l->next;
        if (((UnitJob *)l->data)->userdata == userdata) job_free(l->data);
    }
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    UnitJobs *jobs = userdata;
    const char *path, *unit, *result;
    uint32_t id;
    if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0) return 0;
    if (!strcmp(result, "failed") && jobs->failed) jobs->failed(unit, jobs->userdata);
    for (GList *l = jobs->jobs.head; l; l = l->next) {
        UnitJob *job = l->data;
        if (g_strcmp0(job->path, path)) continue;
        job_done(job, result);
        break;
    }
    return 0;
}

/* ---- Start, stop, kill ---- */

/* Start and stop: the job is on its way. */
static int on_queued(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    UnitJob *job = userdata;
    const sd_bus_error *failure = sd_bus_message_get_error(reply);
    const char *path = NULL;
    if (failure || sd_bus_message_read(reply, "o", &path) < 0) {
        g_autofree char *text = g_strdup(failure && failure->message ? failure->message : "error");
        job_done(job, text);
        return 0;
    }
    job->path = g_strdup(path);
    return 0;
}

void unit_job_start(UnitJobs *jobs, const char *unit,
                    void (*done)(const char *result, void *userdata), void *userdata) {
    UnitJob *job = job_new(jobs, unit, userdata);
    job->done = done;
    int r = sd_bus_call_method_async(jobs->bus, &job->slot, SYSTEMD, SYSTEMD_PATH, MANAGER,
                                     "StartUnit", on_queued, job, "ss", unit, "replace");
    if (r < 0) job_done(job, g_strerror(-r));
}

static int on_done_quietly(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    const sd_bus_error *failure = sd_bus_message_get_error(reply);
    if (failure && strcmp(failure->name, SYSTEMD ".NoSuchUnit"))
        journal_print(LOG_WARNING, "systemd: %s", failure->message);
    return 0;
}

void unit_job_stop(UnitJobs *jobs, const char *unit, void (*stopped)(void *userdata),
                   void *userdata) {
    UnitJob *job = job_new(jobs, unit, userdata);
    job->stopped = stopped;
    int r = sd_bus_call_method_async(jobs->bus, &job->slot, SYSTEMD, SYSTEMD_PATH, MANAGER,
                                     "StopUnit", on_queued, job, "ss", unit, "replace");
    if (r < 0) job_done(job, g_strerror(-r));
}

void unit_job_kill(UnitJobs *jobs, const char *unit) {
    sd_bus_call_method_async(jobs->bus, NULL, SYSTEMD, SYSTEMD_PATH, MANAGER, "KillUnit",
                             on_done_quietly, NULL, "ssi", unit, "main", SIGKILL);
}

/* ---- Explain ---- */

static void job_explained(UnitJob *job, const struct WorkerEnd *end) {
    SupervisorExplained explained = job->explained;
    void *userdata = job->userdata;
    job_free(job);
    explained(end, userdata);
}

/* ExecMainCode is what waitid() calls si_code. */
static int properties_read(sd_bus_message *m, int32_t *code, int32_t *status) {
    const char *name;
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = sd_bus_message_read(m, "s", &name);
        if (r < 0) break;
        if (!strcmp(name, "ExecMainCode"))
            r = sd_bus_message_read(m, "v", "i", code);
        else if (!strcmp(name, "ExecMainStatus"))
            r = sd_bus_message_read(m, "v", "i", status);
        else
            r = sd_bus_message_skip(m, "v");
        if (r >= 0) r = sd_bus_message_exit_container(m);
    }
    return r;
}

static int on_properties(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    struct WorkerEnd end = {0};
    int32_t code = 0, status = 0;
    if (!sd_bus_message_get_error(reply) && properties_read(reply, &code, &status) >= 0 && code) {
        end.kind = code == CLD_EXITED ? END_EXITED : END_KILLED;
        end.code = status;
    }
    job_explained(userdata, &end);
    return 0;
}

/* Straight to the unit's object: looking it up first would take a round trip in which systemd may
 * start it again or forget it. */
static int explain(UnitJob *job) {
    char *path;
    int r = sd_bus_path_encode(SYSTEMD_PATH "/unit", job->unit, &path);
    if (r < 0) return r;
    r = sd_bus_call_method_async(job->jobs->bus, &job->slot, SYSTEMD, path,
                                 "org.freedesktop.DBus.Properties", "GetAll", on_properties, job,
                                 "s", SYSTEMD ".Service");
    free(path);
    return r;
}

void unit_job_explain(UnitJobs *jobs, const char *unit, SupervisorExplained done, void *userdata) {
    UnitJob *job = job_new(jobs, unit, userdata);
    job->explained = done;
    if (explain(job) < 0) job_explained(job, &(struct WorkerEnd){0});
}

/* ---- Life ---- */

static int jobs_open(UnitJobs *jobs) {
    int r = sd_bus_open_system(&jobs->bus);
    if (r >= 0)
        r = sd_bus_match_signal_async(jobs->bus, NULL, SYSTEMD, SYSTEMD_PATH, MANAGER, "JobRemoved",
                                      on_job_removed, NULL, jobs);
    /* Without a subscriber systemd sends no signals. */
    if (r >= 0)
        r = sd_bus_call_method_async(jobs->bus, NULL, SYSTEMD, SYSTEMD_PATH, MANAGER, "Subscribe",
                                     on_done_quietly, NULL, "");
    return r;
}

int unit_jobs_new(void (*failed)(const char *unit, void *userdata), void *userdata,
                  UnitJobs **ret) {
    UnitJobs *jobs = g_new0(UnitJobs, 1);
    g_queue_init(&jobs->jobs);
    jobs->failed = failed;
    jobs->userdata = userdata;
    int r = jobs_open(jobs);
    if (r < 0) {
        unit_jobs_free(jobs);
        return r;
    }
    jobs->source = bus_source_new(jobs->bus, NULL, NULL, NULL);
    *ret = jobs;
    return 0;
}

UnitJobs *unit_jobs_free(UnitJobs *jobs) {
    if (!jobs) return NULL;
    while (jobs->jobs.head) job_free(jobs->jobs.head->data);
    bus_source_free(jobs->source);
    sd_bus_flush_close_unref(jobs->bus);
    g_free(jobs);
    return NULL;
}
