/*
 * Jobs of systemd: units to be started and stopped over its D-Bus interface, and what became of
 * them.
 */
#pragma once

#include "service/supervisor.h"

typedef struct UnitJobs UnitJobs;

/* Connects to the system bus. `failed` is told of every unit that could not be started, by
 * whomever. -errno. */
int unit_jobs_new(void (*failed)(const char *unit, void *userdata), void *userdata, UnitJobs **ret);
UnitJobs *unit_jobs_free(UnitJobs *jobs);

/* `done` hears "done" or what went wrong, once the unit is started (a oneshot unit: has ended). */
void unit_job_start(UnitJobs *jobs, const char *unit,
                    void (*done)(const char *result, void *userdata), void *userdata);
/* `stopped` (may be NULL) is called once it is stopped, or can't be. */
void unit_job_stop(UnitJobs *jobs, const char *unit, void (*stopped)(void *userdata),
                   void *userdata);
void unit_job_kill(UnitJobs *jobs, const char *unit);
/* How the main process of a service ended. */
void unit_job_explain(UnitJobs *jobs, const char *unit, SupervisorExplained done, void *userdata);
/* No more callbacks with this userdata. */
void unit_jobs_forget(UnitJobs *jobs, void *userdata);
