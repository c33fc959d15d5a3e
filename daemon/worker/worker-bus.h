/*
 * The interface org.ryzenllm1.Worker: the table of methods, and those that are answered at once.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "worker/connection.h"

/* Puts the object WORKER_PATH on a connection's bus. */
int worker_bus_add(sd_bus *bus, Connection *connection);
