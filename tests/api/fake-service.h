/*
 * A double of the service for tests of doors: service.h's functions without library, workers or
 * bus. What a model does is in its name (fake-service.c has the table). What happens to requests
 * is told in lines on stdout, so that a test in another process can wait for it:
 *
 *     started ID, written ID BYTES (by "endless", five times a second), cancelled ID,
 *     gone ID (the reader closed), finished ID
 */
#pragma once

#include "service/service.h"

Service *fake_service_new(void);
/* How many requests have been neither finished nor cancelled. */
unsigned fake_service_n_running(const Service *service);
/* A model on its own, for tests of answers. */
Model *fake_service_model(Service *service, const char *name);
