/*
 * The JSON of answers in OpenAI's dialect: what chat and completions have in common. Functions that
 * return a node or an object give it to the caller; those that are passed one take it.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "api/openai-dialect.h"
#include "service/model.h"
#include "service/request.h"

/* What all chunks of one answer repeat. */
struct OpenaiAnswer {
    const struct OpenaiDialect *dialect;
    char *id, *model, *fingerprint;
    gint64 created;
};

/* The fingerprint changes with the model's file. */
void openai_answer_init(struct OpenaiAnswer *answer, const struct OpenaiDialect *dialect,
                        const Model *model);
void openai_answer_done(struct OpenaiAnswer *answer);

/* The whole: `choices` by index. `logprobs` may be NULL. */
JsonObject *openai_choice(const struct OpenaiAnswer *answer, unsigned index, const char *text,
                          OpenaiLogprobs *logprobs, enum FinishReason finish);
JsonNode *openai_answer_node(const struct OpenaiAnswer *answer, JsonArray *choices,
                             const struct Usage *usage);

/* One chunk of a stream. With `with_usage` it has a null usage. */
JsonNode *openai_opening_chunk(const struct OpenaiAnswer *answer, unsigned index, bool with_usage);
JsonNode *openai_delta_chunk(const struct OpenaiAnswer *answer, unsigned index, const char *text,
                             OpenaiLogprobs *logprobs, bool with_usage);
JsonNode *openai_last_chunk(const struct OpenaiAnswer *answer, unsigned index,
                            enum FinishReason finish, bool with_usage);
/* No choices, only the usage. */
JsonNode *openai_usage_chunk(const struct OpenaiAnswer *answer, const struct Usage *usage);

/* By the name that a caller gives. "default" is the default model, unless one is really called so.
 */
Model *openai_find_model(Service *service, const char *name);
/* {"id","object":"model","created","owned_by"} */
JsonObject *openai_model(const Model *model);
JsonNode *openai_model_list(Model *const *models);
