#include "api/openai-answer.h"

#include <string.h>

void openai_answer_init(struct OpenaiAnswer *answer, const struct OpenaiDialect *dialect,
                        const Model *model) {
    g_autofree char *uuid = g_uuid_string_random();
    g_auto(GStrv) parts = g_strsplit(uuid, "-", -1);
    g_autofree char *digits = g_strjoinv("", parts);
    *answer = (struct OpenaiAnswer){
        .dialect = dialect,
        .id = g_strconcat(dialect->id_prefix, digits, NULL),
        .model = g_strdup(model_name(model)),
        .fingerprint = g_strdup_printf("fp_%.12s", model_manifest(model)->digest),
        .created = g_get_real_time() / G_USEC_PER_SEC,
    };
}

void openai_answer_done(struct OpenaiAnswer *answer) {
    g_free(answer->id);
    g_free(answer->model);
    g_free(answer->fingerprint);
    *answer = (struct OpenaiAnswer){0};
}

static JsonNode *node_of(JsonObject *object) {
    JsonNode *node = json_node_init_object(json_node_alloc(), object);
    json_object_unref(object);
    return node;
}

static JsonObject *envelope(const struct OpenaiAnswer *answer, const char *object_name,
                            JsonArray *choices) {
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "id", answer->id);
    json_object_set_string_member(object, "object", object_name);
    json_object_set_int_member(object, "created", answer->created);
    json_object_set_string_member(object, "model", answer->model);
    json_object_set_string_member(object, "system_fingerprint", answer->fingerprint);
    json_object_set_array_member(object, "choices", choices);
    return object;
}

/* What follows the text in a choice; takes `logprobs`, which may be NULL. */
static void set_end(JsonObject *choice, unsigned index, JsonNode *logprobs, const char *finish) {
    json_object_set_int_member(choice, "index", index);
    if (logprobs)
        json_object_set_member(choice, "logprobs", logprobs);
    else
        json_object_set_null_member(choice, "logprobs");
    if (finish)
        json_object_set_string_member(choice, "finish_reason", finish);
    else
        json_object_set_null_member(choice, "finish_reason");
}

static JsonObject *usage_object(const struct Usage *usage) {
    JsonObject *prompt = json_object_new(), *completion = json_object_new(),
               *object = json_object_new();
    uint64_t rejected = usage->drafted_tokens - MIN(usage->accepted_tokens, usage->drafted_tokens);
    json_object_set_int_member(prompt, "cached_tokens", (gint64)usage->cached_tokens);
    json_object_set_int_member(prompt, "audio_tokens", 0);
    json_object_set_int_member(completion, "reasoning_tokens", 0);
    json_object_set_int_member(completion, "audio_tokens", 0);
    json_object_set_int_member(completion, "accepted_prediction_tokens",
                               (gint64)usage->accepted_tokens);
    json_object_set_int_member(completion, "rejected_prediction_tokens", (gint64)rejected);
    json_object_set_int_member(object, "prompt_tokens", (gint64)usage->prompt_tokens);
    json_object_set_int_member(object, "completion_tokens", (gint64)usage->completion_tokens);
    json_object_set_int_member(object, "total_tokens",
                               (gint64)(usage->prompt_tokens + usage->completion_tokens));
    json_object_set_object_member(object, "prompt_tokens_details", prompt);
    json_object_set_object_member(object, "completion_tokens_details", completion);
    return object;
}

JsonObject *openai_choice(const struct OpenaiAnswer *answer, unsigned index, const char *text,
                          OpenaiLogprobs *logprobs, enum FinishReason finish) {
    JsonObject *choice = json_object_new();
    answer->dialect->set_text(choice, text);
    set_end(choice, index, logprobs ? answer->dialect->take_logprobs(logprobs) : NULL,
            finish_reason_name(finish));
    return choice;
}

JsonNode *openai_answer_node(const struct OpenaiAnswer *answer, JsonArray *choices,
                             const struct Usage *usage) {
    JsonObject *object = envelope(answer, answer->dialect->object, choices);
    json_object_set_object_member(object, "usage", usage_object(usage));
    return node_of(object);
}

/* Takes `choice`, which may be NULL. */
static JsonObject *chunk(const struct OpenaiAnswer *answer, JsonObject *choice) {
    JsonArray *choices = json_array_new();
    if (choice) json_array_add_object_element(choices, choice);
    return envelope(answer, answer->dialect->chunk_object, choices);
}

static JsonNode *choice_chunk(const struct OpenaiAnswer *answer, JsonObject *choice,
                              bool with_usage) {
    JsonObject *object = chunk(answer, choice);
    if (with_usage) json_object_set_null_member(object, "usage");
    return node_of(object);
}

JsonNode *openai_opening_chunk(const struct OpenaiAnswer *answer, unsigned index, bool with_usage) {
    JsonObject *choice = json_object_new();
    answer->dialect->set_opening(choice);
    set_end(choice, index, NULL, NULL);
    return choice_chunk(answer, choice, with_usage);
}

JsonNode *openai_delta_chunk(const struct OpenaiAnswer *answer, unsigned index, const char *text,
                             OpenaiLogprobs *logprobs, bool with_usage) {
    JsonObject *choice = json_object_new();
    answer->dialect->set_delta(choice, text);
    set_end(choice, index, logprobs ? answer->dialect->take_logprobs(logprobs) : NULL, NULL);
    return choice_chunk(answer, choice, with_usage);
}

JsonNode *openai_last_chunk(const struct OpenaiAnswer *answer, unsigned index,
                            enum FinishReason finish, bool with_usage) {
    JsonObject *choice = json_object_new();
    answer->dialect->set_delta(choice, NULL);
    set_end(choice, index, NULL, finish_reason_name(finish));
    return choice_chunk(answer, choice, with_usage);
}

JsonNode *openai_usage_chunk(const struct OpenaiAnswer *answer, const struct Usage *usage) {
    JsonObject *object = chunk(answer, NULL);
    json_object_set_object_member(object, "usage", usage_object(usage));
    return node_of(object);
}

Model *openai_find_model(Service *service, const char *name) {
    Model *model = *name ? service_find_model(service, name) : NULL;
    return model || strcmp(name, "default") != 0 ? model : service_default_model(service);
}

JsonObject *openai_model(const Model *model) {
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "id", model_name(model));
    json_object_set_string_member(object, "object", "model");
    json_object_set_int_member(object, "created", model_installed_at(model));
    json_object_set_string_member(object, "owned_by", "ryzen-llm");
    return object;
}

JsonNode *openai_model_list(Model *const *models) {
    JsonObject *object = json_object_new();
    JsonArray *data = json_array_new();
    for (size_t i = 0; models[i]; i++) json_array_add_object_element(data, openai_model(models[i]));
    json_object_set_string_member(object, "object", "list");
    json_object_set_array_member(object, "data", data);
    return node_of(object);
}
