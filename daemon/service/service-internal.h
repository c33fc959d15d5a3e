/*
 * What service.c shares with the files that implement one kind of call each.
 */
#pragma once

#include "service/call.h"
#include "service/library.h"
#include "service/request-internal.h"
#include "service/service.h"
#include "service/supervisor.h"
#include "service/workers.h"

Workers *service_workers(Service *service);

/* The model that a caller means, or NoSuchModel in words. */
Model *service_resolve(Service *service, const char *name, Problem *why);
/* A request that the service keeps; the caller gets a reference of its own. */
int service_begin_request(Service *service, uid_t uid, const char *model, Request **ret,
                          Problem *why);
/* Once it is accepted. */
void service_announce_request(Service *service, Request *request);
/* For one that was refused after all, before anyone has seen it. */
void service_drop_request(Service *service, Request *request);

/* Runs a call for the model `name`; takes it. It ends later, from the main loop: also when the
 * model is not there, when it is refused, or when `problem` (may be NULL) says that it is wrong
 * already. */
void service_call(Service *service, const char *name, Call *call, const Problem *problem);
