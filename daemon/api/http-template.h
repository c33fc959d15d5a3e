/*
 * POST /apply-template, as llama-server has it: {messages, tools, add_generation_prompt,
 * chat_template_kwargs} (and model, the default one without) gives {"prompt": "…"}.
 */
#pragma once

#include <libsoup/soup.h>

#include "service/service.h"

void http_template_run(Service *service, SoupServerMessage *message);
