#include "worker/manifest.h"

#include <json-glib/json-glib.h>
#include <math.h>

#include "worker/prompt.h"
#include "worker/requantise-word.h"

/* Strings of a model file are bytes; JSON wants UTF-8. */
static void add_string(JsonBuilder *builder, const char *name, const char *value) {
    g_autofree char *valid = g_utf8_make_valid(value, -1);
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, valid);
}

static void add_number(JsonBuilder *builder, const char *name, uint64_t value) {
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, (gint64)MIN(value, (uint64_t)G_MAXINT64));
}

static void add_model(JsonBuilder *builder, const Engine *engine) {
    const struct ModelInfo *info = engine_info(engine);
    Prompter *prompter = prompter_new(engine);

    add_string(builder, "title", info->name);
    add_string(builder, "architecture", info->architecture);
    add_string(builder, "family", info->family);
    add_string(builder, "weights", info->weights);
    add_string(builder, "kv_type", info->kv_type);
    add_number(builder, "parameters", info->n_parameters);
    add_number(builder, "context_length", info->n_ctx);
    add_number(builder, "vocabulary_size", info->n_vocab);
    add_number(builder, "weight_bytes", info->weight_bytes);
    json_builder_set_member_name(builder, "can_chat");
    json_builder_add_boolean_value(builder, prompter_can_chat(prompter));
    add_string(builder, "chat_template", info->chat_template);
    prompter_free(prompter);
}

/* Which layout ternary matrices have, and how fast each one was found to be, the first being 1. */
static void add_trials(JsonBuilder *builder, const struct PackReport *report) {
    json_builder_set_member_name(builder, "ternary");
    json_builder_begin_array(builder);
    for (unsigned i = 0; i < report->n_trials; i++) {
        const struct PackTrial *trial = &report->trials[i];
        json_builder_begin_object(builder);
        add_number(builder, "columns", trial->n_cols);
        add_string(builder, "layout", trial->chosen);
        json_builder_set_member_name(builder, "speeds");
        json_builder_begin_object(builder);
        for (unsigned k = 0; k < PACK_TRIAL_LAYOUTS; k++) {
            json_builder_set_member_name(builder, trial->layouts[k].name);
            json_builder_add_double_value(builder, round(trial->layouts[k].speed * 100) / 100);
        }
        json_builder_end_object(builder);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void add_packed(JsonBuilder *builder, const struct ManifestFacts *facts) {
    json_builder_set_member_name(builder, "packed");
    json_builder_begin_object(builder);
    add_string(builder, "tier", facts->tier);
    add_number(builder, "bytes", facts->packed_bytes);
    if (facts->report->n_trials > 0) add_trials(builder, facts->report);
    json_builder_end_object(builder);
}

/* Only there when something was: what the weights have lost and won. */
static void add_requantised(JsonBuilder *builder, const struct ManifestFacts *facts) {
    const struct PackReport *report = facts->report;

    json_builder_set_member_name(builder, "requantised");
    json_builder_begin_object(builder);
    add_string(builder, "asked", requantise_word(facts->requantise));
    json_builder_set_member_name(builder, "worst_error");
    json_builder_add_double_value(builder, report->worst_error);
    add_string(builder, "worst_tensor", report->worst_name);
    json_builder_set_member_name(builder, "changes");
    json_builder_begin_array(builder);
    for (unsigned i = 0; i < report->n_changes; i++) {
        const struct PackChange *change = &report->changes[i];
        json_builder_begin_object(builder);
        add_string(builder, "from", change->from);
        add_string(builder, "to", change->to);
        add_number(builder, "matrices", change->n_matrices);
        add_number(builder, "bytes_before", change->bytes_before);
        add_number(builder, "bytes_after", change->bytes_after);
        json_builder_set_member_name(builder, "worst_error");
        json_builder_add_double_value(builder, change->worst_error);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
}

static void add_draft(JsonBuilder *builder, const struct ModelInfo *draft) {
    add_string(builder, "draft", *draft->name ? draft->name : draft->architecture);
    add_string(builder, "draft_weights", draft->weights);
    add_number(builder, "draft_weight_bytes", draft->weight_bytes);
}

char *manifest_text(const Engine *engine, const struct ManifestFacts *facts) {
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) root = NULL;

    json_builder_begin_object(builder);
    add_string(builder, "name", facts->name);
    add_string(builder, "digest", facts->digest);
    add_number(builder, "size", facts->size);
    if (facts->n_files > 1) add_number(builder, "files", facts->n_files);
    add_model(builder, engine);
    add_packed(builder, facts);
    if (facts->draft) add_draft(builder, facts->draft);
    if (facts->report->n_changes > 0) add_requantised(builder, facts);
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    return json_to_string(root, TRUE);
}

/* NULL where there is no such thing. */
static JsonNode *member_of(JsonNode *node, const char *name) {
    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) return NULL;
    return json_object_get_member(json_node_get_object(node), name);
}

enum Requantise manifest_requantise(const char *path) {
    g_autoptr(JsonParser) parser = json_parser_new();
    enum Requantise ret = REQUANTISE_NOTHING;

    if (!json_parser_load_from_file(parser, path, NULL)) return ret;
    JsonNode *asked = member_of(member_of(json_parser_get_root(parser), "requantised"), "asked");
    const char *word = asked && JSON_NODE_HOLDS_VALUE(asked) ? json_node_get_string(asked) : NULL;
    if (word) requantise_parse(word, &ret);
    return ret;
}
