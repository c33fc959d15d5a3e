/*
 * The method Embed: texts to vectors, all inputs in the same batch.
 */
#pragma once

#include <systemd/sd-bus.h>

/* A method handler; `userdata` is the Connection. */
int embed_handle(sd_bus_message *message, void *userdata, sd_bus_error *error);
