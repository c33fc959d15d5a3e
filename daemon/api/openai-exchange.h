/*
 * One HTTP request for text and its answer: starts a generation for each choice, gathers them into
 * one answer or passes them on as a stream. It keeps itself alive until libsoup has finished with
 * the message or the connection is gone, which cancels what still runs.
 *
 * An error before the first token is an ordinary HTTP error, also of a stream; after that it is the
 * stream's last event.
 */
#pragma once

#include <libsoup/soup.h>
#include <sys/types.h>

#include "api/openai-dialect.h"
#include "service/service.h"

/* In the handler of `message`; answers now or pauses the message and answers later. */
void openai_exchange_run(Service *service, const struct OpenaiDialect *dialect, uid_t uid,
                         SoupServerMessage *message);
