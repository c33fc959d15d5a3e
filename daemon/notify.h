/*
 * What systemd is told about us (sd_notify(3)): ready, reloading, stopping, the watchdog's sign of
 * life, and a status line with the models and requests of the moment. Nothing happens where nobody
 * listens.
 */
#pragma once

#include "service/service.h"

typedef struct Notify Notify;

Notify *notify_new(Service *service);
Notify *notify_free(Notify *notify);

void notify_ready(Notify *notify);
void notify_reloading(Notify *notify);
void notify_stopping(Notify *notify);
