/*
 * The D-Bus door: org.ryzenllm1 on the system bus, or on the session bus of one user.
 *
 * Models are announced to everybody (ObjectManager). Requests are seen by their own user and root;
 * their signals go to the connection that made them and to nobody else, and they are cancelled when
 * it leaves the bus.
 */
#pragma once

#include <stdbool.h>

#include "service/service.h"

typedef struct Bus Bus;

/* Connects, exports everything and takes the name. `service` must outlive it; `lost` is called when
 * the connection is. */
int bus_new(Service *service, bool user, void (*lost)(void *userdata), void *userdata, Bus **ret,
            Problem *why);
Bus *bus_free(Bus *bus);
