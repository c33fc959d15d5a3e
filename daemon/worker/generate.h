/*
 * The method Generate: from a call to a generation, and from its end to the reply.
 */
#pragma once

#include <systemd/sd-bus.h>

/* A method handler; `userdata` is the Connection. */
int generate_handle(sd_bus_message *message, void *userdata, sd_bus_error *error);
