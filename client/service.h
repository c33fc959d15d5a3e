/*
 * The service as a whole as it tells of itself: the properties of org.ryzenllm1.Manager.
 */
#pragma once

#include "client/properties.h"

typedef struct Service {
    char *version, *default_model; /* owned */
    uint64_t memory_budget, memory_used;
    uint32_t active_requests, queued_requests;
} Service;

/* Says what fails. */
int service_get(Connection *connection, Service *ret);
void service_done(Service *service);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Service, service_done)

void service_json(const Service *service, JsonBuilder *builder);
void service_print(const Service *service);
