#include "api/openai-request.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "api/json-body.h"
#include "api/limits.h"
#include "api/openai-message.h"

#define IN_CHAT (1u << OPENAI_CHAT)
#define IN_COMPLETION (1u << OPENAI_COMPLETION)
#define IN_BOTH (IN_CHAT | IN_COMPLETION)
#define IN_TEMPLATE (1u << OPENAI_TEMPLATE)
#define IN_MESSAGES (IN_CHAT | IN_TEMPLATE)

struct Reader {
    struct OpenaiRequest *request;
    struct OpenaiFault *fault;
};

/* One field that is understood. `option` is the row of dbus/options.h it sets, where it does. */
struct Field {
    const char *name;
    unsigned in;
    int (*read)(struct Reader *reader, const struct Field *field, JsonNode *node);
    const char *option;
};

/* One field that is not, with the values that mean the same as its absence. */
struct Refused {
    const char *name;
    unsigned in;
    bool (*harmless)(JsonNode *node);
};

static int fail(struct Reader *reader, enum ProblemKind kind, const char *param, const char *format,
                ...) __attribute__((format(printf, 4, 5)));

static int fail(struct Reader *reader, enum ProblemKind kind, const char *param, const char *format,
                ...) {
    g_autofree char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_strlcpy(reader->fault->param, param, sizeof reader->fault->param);
    return problem_set(&reader->fault->problem, kind, "%s", text);
}

static int fail_type(struct Reader *reader, const char *param, const char *expected) {
    return fail(reader, PROBLEM_INVALID_ARGUMENT, param, "%s must be %s.", param, expected);
}

/* ---- Kinds of JSON values ---- */

/* NULL unless it is a string. */
static const char *text_of(JsonNode *node) {
    bool is_text = JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;
    return is_text ? json_node_get_string(node) : NULL;
}

static bool is_boolean(JsonNode *node) {
    return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_BOOLEAN;
}

static bool is_integer(JsonNode *node) {
    return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64;
}

static bool is_number(JsonNode *node) {
    return is_integer(node) ||
           (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_DOUBLE);
}

/* ---- Fields that are understood ---- */

static int read_model(struct Reader *reader, const struct Field *field, JsonNode *node) {
    const char *name = text_of(node);
    if (!name || !*name) return fail_type(reader, field->name, "the name of a model");
    if (strlen(name) > MODEL_NAME_MAX)
        return fail(reader, PROBLEM_NO_SUCH_MODEL, field->name,
                    "There is no model with this name.");
    reader->request->model = g_strdup(name);
    return 0;
}

static int read_n(struct Reader *reader, const struct Field *field, JsonNode *node) {
    gint64 n = is_integer(node) ? json_node_get_int(node) : 0;
    if (n < 1 || n > CHOICES_MAX)
        return fail(reader, PROBLEM_INVALID_ARGUMENT, field->name,
                    "n must be a whole number from 1 to %u.", CHOICES_MAX);
    reader->request->n = (unsigned)n;
    return 0;
}

static int read_stream(struct Reader *reader, const struct Field *field, JsonNode *node) {
    if (!is_boolean(node)) return fail_type(reader, field->name, "true or false");
    reader->request->stream = json_node_get_boolean(node);
    return 0;
}

static int read_stream_options(struct Reader *reader, const struct Field *field, JsonNode *node) {
    if (!JSON_NODE_HOLDS_OBJECT(node)) return fail_type(reader, field->name, "an object");
    JsonNode *usage = json_object_get_member(json_node_get_object(node), "include_usage");
    if (!usage || json_node_is_null(usage)) return 0;
    if (!is_boolean(usage))
        return fail_type(reader, "stream_options.include_usage", "true or false");
    reader->request->include_usage = json_node_get_boolean(usage);
    return 0;
}

static int fail_option(struct Reader *reader, const struct Field *field) {
    char range[OPTIONS_RANGE_SIZE];
    return fail_type(reader, field->name, options_range(field->option, range, sizeof range));
}

static int read_number(struct Reader *reader, const struct Field *field, JsonNode *node) {
    if (!is_number(node) || options_set_number(&reader->request->options, field->option,
                                               json_node_get_double(node)) < 0)
        return fail_option(reader, field);
    return 0;
}

static int read_flag(struct Reader *reader, const struct Field *field, JsonNode *node) {
    if (!is_boolean(node)) return fail_option(reader, field);
    options_set_number(&reader->request->options, field->option, json_node_get_boolean(node));
    return 0;
}

/* OpenAI's seeds may be negative; only that different ones differ matters. */
static int read_seed(struct Reader *reader, const struct Field *field, JsonNode *node) {
    if (!is_integer(node)) return fail_type(reader, field->name, "a whole number of 64 bits");
    options_set_seed(&reader->request->options, (uint64_t)json_node_get_int(node));
    return 0;
}

/* llama.cpp's -1 is the whole context. */
static int read_window(struct Reader *reader, const struct Field *field, JsonNode *node) {
    if (!is_integer(node) || json_node_get_int(node) != -1) return read_number(reader, field, node);
    options_set_number(&reader->request->options, field->option, 1 << 20);
    return 0;
}

/* ---- Biases: {"15043": -1}, or llama.cpp's [[15043, -1], [13, false]] ---- */

static int bias_add(struct Reader *reader, const struct Field *field, gint64 token,
                    JsonNode *value) {
    bool never = is_boolean(value) && !json_node_get_boolean(value);
    if (token < 0 || token > INT32_MAX || (!never && !is_number(value)))
        return fail_option(reader, field);
    double bias = never ? -INFINITY : json_node_get_double(value);
    if (isinf(bias) && !never) return fail_option(reader, field);
    int r = options_add_bias(&reader->request->options, (int32_t)token, bias);
    return r < 0 ? fail_option(reader, field) : 0;
}

static int bias_pair(struct Reader *reader, const struct Field *field, JsonNode *node) {
    JsonArray *pair = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    if (!pair || json_array_get_length(pair) != 2) return fail_option(reader, field);
    JsonNode *token = json_array_get_element(pair, 0);
    if (text_of(token))
        return fail(reader, PROBLEM_NOT_SUPPORTED, field->name,
                    "%s takes the numbers of tokens, not their text.", field->name);
    if (!is_integer(token)) return fail_option(reader, field);
    return bias_add(reader, field, json_node_get_int(token), json_array_get_element(pair, 1));
}

static int bias_member(struct Reader *reader, const struct Field *field, const char *name,
                       JsonNode *value) {
    guint64 token;
    if (!g_ascii_string_to_unsigned(name, 10, 0, INT32_MAX, &token, NULL))
        return fail(reader, PROBLEM_INVALID_ARGUMENT, field->name,
                    "The names in %s must be the numbers of tokens.", field->name);
    return bias_add(reader, field, (gint64)token, value);
}

static int read_logit_bias(struct Reader *reader, const struct Field *field, JsonNode *node) {
    int r = 0;
    if (JSON_NODE_HOLDS_ARRAY(node)) {
        JsonArray *array = json_node_get_array(node);
        for (guint i = 0; r == 0 && i < json_array_get_length(array); i++)
            r = bias_pair(reader, field, json_array_get_element(array, i));
        return r;
    }
    if (!JSON_NODE_HOLDS_OBJECT(node)) return fail_option(reader, field);
    JsonObjectIter iter;
    const char *name;
    JsonNode *value;
    json_object_iter_init(&iter, json_node_get_object(node));
    while (r == 0 && json_object_iter_next(&iter, &name, &value))
        r = bias_member(reader, field, name, value);
    return r;
}

/* ---- Log probabilities ---- */

/* Of a chat it says whether, and top_logprobs how many. */
static int read_logprobs(struct Reader *reader, const struct Field *field, JsonNode *node) {
    if (!is_boolean(node)) return fail_type(reader, field->name, "true or false");
    if (json_node_get_boolean(node))
        options_set_number(&reader->request->options, field->option, 0);
    return 0;
}

static int read_top_logprobs(struct Reader *reader, const struct Field *field, JsonNode *node) {
    bool wanted = options_is_set(&reader->request->options, field->option);
    if (is_integer(node) && json_node_get_int(node) == 0) return 0;
    if (!wanted)
        return fail(reader, PROBLEM_INVALID_ARGUMENT, field->name,
                    "top_logprobs needs logprobs to be true.");
    return read_number(reader, field, node);
}

/* Of a completion it says how many. */
static int read_n_logprobs(struct Reader *reader, const struct Field *field, JsonNode *node) {
    if (is_boolean(node) && !json_node_get_boolean(node)) return 0;
    return read_number(reader, field, node);
}

/* llama.cpp's: 0 is off. */
static int read_n_probs(struct Reader *reader, const struct Field *field, JsonNode *node) {
    if (is_integer(node) && json_node_get_int(node) == 0) return 0;
    return read_number(reader, field, node);
}

/* ---- Texts ---- */

static int read_text(struct Reader *reader, const struct Field *field, JsonNode *node) {
    const char *text = text_of(node);
    if (!text || options_set_text(&reader->request->options, field->option, text) < 0)
        return fail_option(reader, field);
    return 0;
}

static int read_texts(struct Reader *reader, const struct Field *field, JsonNode *node) {
    if (!JSON_NODE_HOLDS_ARRAY(node)) return read_text(reader, field, node);
    JsonArray *array = json_node_get_array(node);
    int r = 0;
    options_set_empty(&reader->request->options, field->option);
    for (guint i = 0; r == 0 && i < json_array_get_length(array); i++)
        r = read_text(reader, field, json_array_get_element(array, i));
    return r;
}

static int read_prompt_text(struct Reader *reader, const struct Field *field, JsonNode *node) {
    const char *text = text_of(node);
    if (is_number(node) || JSON_NODE_HOLDS_ARRAY(node))
        return fail(reader, PROBLEM_NOT_SUPPORTED, field->name,
                    "A prompt of token numbers is not supported: send text.");
    if (!text) return fail_type(reader, field->name, "a string or an array of strings");
    reader->request->prompts[reader->request->n_prompts++] = g_strdup(text);
    return 0;
}

static int read_prompt(struct Reader *reader, const struct Field *field, JsonNode *node) {
    reader->request->prompts = g_new0(char *, CHOICES_MAX + 1);
    if (!JSON_NODE_HOLDS_ARRAY(node)) return read_prompt_text(reader, field, node);
    JsonArray *array = json_node_get_array(node);
    guint n = json_array_get_length(array);
    if (n > 0 && is_number(json_array_get_element(array, 0)))
        return read_prompt_text(reader, field, json_array_get_element(array, 0));
    if (n < 1 || n > CHOICES_MAX)
        return fail(reader, PROBLEM_INVALID_ARGUMENT, field->name,
                    "prompt must have 1 to %u texts.", CHOICES_MAX);
    int r = 0;
    for (guint i = 0; r == 0 && i < n; i++)
        r = read_prompt_text(reader, field, json_array_get_element(array, i));
    return r;
}

/* ---- What the answer must look like ---- */

static int constraint_set(struct Reader *reader, const struct Field *field, const char *param,
                          const char *text) {
    struct OpenaiRequest *request = reader->request;
    char range[OPTIONS_RANGE_SIZE];
    if (request->constraint_field)
        return fail(reader, PROBLEM_INVALID_ARGUMENT, param, "%s and %s exclude each other.", param,
                    request->constraint_field);
    if (options_set_text(&request->options, field->option, text) < 0)
        return fail_type(reader, param, options_range(field->option, range, sizeof range));
    request->constraint_field = field->name;
    return 0;
}

static int read_grammar(struct Reader *reader, const struct Field *field, JsonNode *node) {
    const char *text = text_of(node);
    if (!text) return fail_option(reader, field);
    return *text ? constraint_set(reader, field, field->name, text) : 0;
}

static int schema_set(struct Reader *reader, const struct Field *field, const char *param,
                      JsonNode *node) {
    if (!JSON_NODE_HOLDS_OBJECT(node) && !is_boolean(node))
        return fail_type(reader, param, "a JSON schema: an object");
    g_autofree char *text = json_to_string(node, FALSE);
    return constraint_set(reader, field, param, text);
}

static int read_schema(struct Reader *reader, const struct Field *field, JsonNode *node) {
    return schema_set(reader, field, field->name, node);
}

/* {"name":..., "schema":{...}, "strict":...}: the schema is always kept to. */
static int read_format_schema(struct Reader *reader, const struct Field *field,
                              JsonObject *format) {
    JsonNode *outer = json_object_get_member(format, "json_schema");
    JsonObject *named = outer && JSON_NODE_HOLDS_OBJECT(outer) ? json_node_get_object(outer) : NULL;
    JsonNode *schema = json_object_get_member(named ? named : format, "schema");
    if (!schema)
        return fail(reader, PROBLEM_INVALID_ARGUMENT, "response_format.json_schema.schema",
                    "response_format.json_schema.schema is missing.");
    return schema_set(reader, field, "response_format.json_schema.schema", schema);
}

static int read_response_format(struct Reader *reader, const struct Field *field, JsonNode *node) {
    if (!JSON_NODE_HOLDS_OBJECT(node)) return fail_type(reader, field->name, "an object");
    JsonObject *format = json_node_get_object(node);
    JsonNode *type_node = json_object_get_member(format, "type");
    const char *type = type_node ? text_of(type_node) : NULL;
    bool is_object = g_strcmp0(type, "json_object") == 0;
    if (g_strcmp0(type, "text") == 0) return 0;
    if (g_strcmp0(type, "json_schema") == 0 ||
        (is_object && json_object_has_member(format, "schema")))
        return read_format_schema(reader, field, format); /* with json_object, llama-server's way */
    if (is_object) return constraint_set(reader, field, field->name, "{\"type\":\"object\"}");
    return fail(reader, type ? PROBLEM_NOT_SUPPORTED : PROBLEM_INVALID_ARGUMENT,
                "response_format.type",
                "response_format.type must be text, json_object or json_schema.");
}

/* ---- Messages and tools ---- */

static int read_messages(struct Reader *reader, const struct Field *field, JsonNode *node) {
    return openai_messages_read(node, &reader->request->messages, &reader->request->n_messages,
                                reader->fault);
}

/* JSON that goes on to the worker as it is. */
static int read_json(struct Reader *reader, const struct Field *field, JsonNode *node) {
    g_autofree char *text = json_to_string(node, FALSE);
    if (options_set_text(&reader->request->options, field->option, text) < 0)
        return fail_option(reader, field);
    return 0;
}

static int read_tools(struct Reader *reader, const struct Field *field, JsonNode *node) {
    if (!JSON_NODE_HOLDS_ARRAY(node)) return fail_type(reader, field->name, "an array of tools");
    bool none = json_array_get_length(json_node_get_array(node)) == 0 || reader->request->no_tools;
    return none ? 0 : read_json(reader, field, node);
}

/* Before the tools, which "none" hides from the model. That it must call one can't be had. */
static int read_tool_choice(struct Reader *reader, const struct Field *field, JsonNode *node) {
    const char *choice = text_of(node);
    reader->request->no_tools = g_strcmp0(choice, "none") == 0;
    if (reader->request->no_tools || g_strcmp0(choice, "auto") == 0) return 0;
    return fail(reader, PROBLEM_NOT_SUPPORTED, field->name,
                "tool_choice can be none or auto, nothing else.");
}

static int read_kwargs(struct Reader *reader, const struct Field *field, JsonNode *node) {
    if (!JSON_NODE_HOLDS_OBJECT(node)) return fail_type(reader, field->name, "an object");
    return read_json(reader, field, node);
}

static const struct Field fields[] = {
    {"model", IN_BOTH | IN_TEMPLATE, read_model, NULL},
    {"messages", IN_MESSAGES, read_messages, NULL},
    {"tool_choice", IN_MESSAGES, read_tool_choice, NULL}, /* before tools */
    {"tools", IN_MESSAGES, read_tools, "tools"},
    {"chat_template_kwargs", IN_MESSAGES, read_kwargs, "chat_template_kwargs"},
    {"add_generation_prompt", IN_MESSAGES, read_flag, "add_generation_prompt"},
    {"prompt", IN_COMPLETION, read_prompt, NULL},
    {"n", IN_BOTH, read_n, NULL},
    {"stream", IN_BOTH, read_stream, NULL},
    {"stream_options", IN_BOTH, read_stream_options, NULL},
    {"max_tokens", IN_BOTH, read_number, "max_tokens"},
    {"max_completion_tokens", IN_CHAT, read_number, "max_tokens"}, /* wins, being the newer name */
    {"temperature", IN_BOTH, read_number, "temperature"},
    {"top_p", IN_BOTH, read_number, "top_p"},
    {"top_k", IN_BOTH, read_number, "top_k"},
    {"min_p", IN_BOTH, read_number, "min_p"},
    {"repeat_penalty", IN_BOTH, read_number, "repeat_penalty"},
    {"presence_penalty", IN_BOTH, read_number, "presence_penalty"},
    {"frequency_penalty", IN_BOTH, read_number, "frequency_penalty"},
    {"repeat_last_n", IN_BOTH, read_window, "repeat_last_n"},
    {"typical_p", IN_BOTH, read_number, "typical_p"},
    {"top_n_sigma", IN_BOTH, read_number, "top_n_sigma"},
    {"min_keep", IN_BOTH, read_number, "min_keep"},
    {"xtc_probability", IN_BOTH, read_number, "xtc_probability"},
    {"xtc_threshold", IN_BOTH, read_number, "xtc_threshold"},
    {"dry_multiplier", IN_BOTH, read_number, "dry_multiplier"},
    {"dry_base", IN_BOTH, read_number, "dry_base"},
    {"dry_allowed_length", IN_BOTH, read_number, "dry_allowed_length"},
    {"dry_penalty_last_n", IN_BOTH, read_window, "dry_penalty_last_n"},
    {"dry_sequence_breakers", IN_BOTH, read_texts, "dry_sequence_breakers"},
    {"dynatemp_range", IN_BOTH, read_number, "dynatemp_range"},
    {"dynatemp_exponent", IN_BOTH, read_number, "dynatemp_exponent"},
    {"mirostat", IN_BOTH, read_number, "mirostat"},
    {"mirostat_tau", IN_BOTH, read_number, "mirostat_tau"},
    {"mirostat_eta", IN_BOTH, read_number, "mirostat_eta"},
    {"samplers", IN_BOTH, read_texts, "samplers"},
    {"logit_bias", IN_BOTH, read_logit_bias, "logit_bias"},
    {"logprobs", IN_CHAT, read_logprobs, "logprobs"},
    {"top_logprobs", IN_CHAT, read_top_logprobs, "logprobs"}, /* after logprobs */
    {"logprobs", IN_COMPLETION, read_n_logprobs, "logprobs"},
    {"n_probs", IN_BOTH, read_n_probs, "logprobs"},
    {"ignore_eos", IN_BOTH, read_flag, "ignore_eos"},
    {"seed", IN_BOTH, read_seed, "seed"},
    {"stop", IN_BOTH, read_texts, "stop"},
    {"grammar", IN_BOTH, read_grammar, "grammar"},
    {"json_schema", IN_BOTH, read_schema, "json_schema"},
    {"response_format", IN_BOTH, read_response_format, "json_schema"},
};

/* ---- Fields that are refused ---- */

static bool is_absent(JsonNode *node) {
    return json_node_is_null(node);
}

/* null, false, 0, "", [], {} */
static bool is_empty(JsonNode *node) {
    if (JSON_NODE_HOLDS_ARRAY(node)) return json_array_get_length(json_node_get_array(node)) == 0;
    if (JSON_NODE_HOLDS_OBJECT(node)) return json_object_get_size(json_node_get_object(node)) == 0;
    if (is_boolean(node)) return !json_node_get_boolean(node);
    if (is_number(node)) return json_node_get_double(node) == 0;
    return json_node_is_null(node) || !*json_node_get_string(node);
}

static bool is_absent_or_false(JsonNode *node) {
    return json_node_is_null(node) || (is_boolean(node) && !json_node_get_boolean(node));
}

static bool is_at_most_one(JsonNode *node) {
    return json_node_is_null(node) || (is_integer(node) && json_node_get_int(node) <= 1);
}

static bool is_none(JsonNode *node) {
    return is_empty(node) || g_strcmp0(text_of(node), "none") == 0;
}

static bool is_text_only(JsonNode *node) {
    if (!JSON_NODE_HOLDS_ARRAY(node)) return json_node_is_null(node);
    JsonArray *array = json_node_get_array(node);
    bool text = true;
    for (guint i = 0; i < json_array_get_length(array); i++)
        text &= g_strcmp0(text_of(json_array_get_element(array, i)), "text") == 0;
    return text;
}

static const struct Refused refused[] = {
    {"functions", IN_CHAT, is_empty},
    {"function_call", IN_CHAT, is_none},
    {"audio", IN_CHAT, is_absent},
    {"modalities", IN_CHAT, is_text_only},
    {"web_search_options", IN_CHAT, is_absent},
    {"best_of", IN_COMPLETION, is_at_most_one},
    {"echo", IN_COMPLETION, is_absent_or_false},
    {"suffix", IN_COMPLETION, is_empty},
};

/* ---- The whole ---- */

static int check_refused(struct Reader *reader, enum OpenaiKind kind, JsonObject *object) {
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        JsonNode *node = json_object_get_member(object, refused[i].name);
        if (node && (refused[i].in & 1u << kind) && !refused[i].harmless(node))
            return fail(reader, PROBLEM_NOT_SUPPORTED, refused[i].name,
                        "This value of %s is not supported.", refused[i].name);
    }
    return 0;
}

static int read_fields(struct Reader *reader, enum OpenaiKind kind, JsonObject *object) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < G_N_ELEMENTS(fields); i++) {
        JsonNode *node = json_object_get_member(object, fields[i].name);
        if (node && (fields[i].in & 1u << kind) && !json_node_is_null(node))
            r = fields[i].read(reader, &fields[i], node);
    }
    return r;
}

static int check_complete(struct Reader *reader, enum OpenaiKind kind) {
    const struct OpenaiRequest *request = reader->request;
    if (!request->model && kind == OPENAI_TEMPLATE) reader->request->model = g_strdup("default");
    if (!request->model)
        return fail(reader, PROBLEM_INVALID_ARGUMENT, "model",
                    "model is missing: name a model, or \"default\".");
    if (kind != OPENAI_COMPLETION && !request->messages)
        return fail(reader, PROBLEM_INVALID_ARGUMENT, "messages", "messages is missing.");
    if (kind == OPENAI_COMPLETION && !request->prompts)
        return fail(reader, PROBLEM_INVALID_ARGUMENT, "prompt", "prompt is missing.");
    if (kind == OPENAI_COMPLETION && request->n_prompts * request->n > CHOICES_MAX)
        return fail(reader, PROBLEM_INVALID_ARGUMENT, "n",
                    "n answers to each prompt are more than %u together.", CHOICES_MAX);
    return 0;
}

static int read_root(struct Reader *reader, enum OpenaiKind kind, JsonNode *root) {
    if (!JSON_NODE_HOLDS_OBJECT(root))
        return fail(reader, PROBLEM_INVALID_ARGUMENT, "", "The body must be a JSON object.");
    JsonObject *object = json_node_get_object(root);
    if (check_refused(reader, kind, object) < 0) return -1;
    if (read_fields(reader, kind, object) < 0) return -1;
    return check_complete(reader, kind);
}

int openai_request_parse(enum OpenaiKind kind, const char *body, size_t size,
                         struct OpenaiRequest *ret, struct OpenaiFault *fault) {
    struct OpenaiRequest request = {.n = 1};
    struct Reader reader = {.request = &request, .fault = fault};
    *fault = (struct OpenaiFault){0};
    JsonNode *root = json_body_parse(body, size, &fault->problem);
    if (!root) return -1;

    options_init(&request.options);
    int r = read_root(&reader, kind, root);
    json_node_unref(root);
    if (r < 0)
        openai_request_done(&request);
    else
        *ret = request;
    return r;
}

void openai_request_done(struct OpenaiRequest *request) {
    messages_free(request->messages, request->n_messages);
    g_strfreev(request->prompts);
    g_free(request->model);
    options_done(&request->options);
    *request = (struct OpenaiRequest){0};
}
