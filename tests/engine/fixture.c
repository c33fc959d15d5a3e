#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/gguf.h"
#include "test.h"
#include "tiny-model.h"

static char *read_file(const char *path, size_t *ret_size) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    *ret_size = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*ret_size + 1);
    if (fread(data, 1, *ret_size, file) != *ret_size) abort();
    data[*ret_size] = '\0';
    fclose(file);
    return data;
}

/* The integers of the array behind "key" in JSON that nobody wrote to trick us. */
static uint32_t read_tokens(const char *json, const char *key, Token *ret) {
    uint32_t n = 0;
    const char *at = strstr(json, key);
    if (at) at = strchr(at, '[');
    while (at && *at != ']' && n < FIXTURE_MAX_TOKENS) {
        char *end;
        long value = strtol(at + 1, &end, 10);
        if (end == at + 1) break;
        ret[n++] = (Token)value;
        at = end;
    }
    return n;
}

static int read_expected(const char *expected, struct Fixture *ret) {
    char name[256];
    size_t size;
    snprintf(name, sizeof name, "gguf-test/%s.expected.json", expected);
    char *json_path = test_data(name);
    snprintf(name, sizeof name, "gguf-test/%s.expected.f32", expected);
    char *logits_path = json_path ? test_data(name) : NULL;
    if (logits_path) {
        char *json = read_file(json_path, &size);
        ret->n_tokens = read_tokens(json, "\"tokens\"", ret->tokens);
        ret->n_greedy = read_tokens(json, "\"greedy", ret->greedy);
        free(json);
        ret->logits = (float *)(void *)read_file(logits_path, &size);
        ret->n_vocab = (uint32_t)(size / sizeof(float) / ret->n_tokens);
    }
    free(json_path);
    free(logits_path);
    return ret->logits ? 0 : -1;
}

static int open_model(const char *name) {
    char file_name[256];
    snprintf(file_name, sizeof file_name, "gguf-test/%s.gguf", name);
    char *path = test_data(file_name);
    if (!path) return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    return fd;
}

int fixture_open(const char *name, const char *expected, struct Fixture *ret) {
    *ret = (struct Fixture){.fd = open_model(name)};
    if (ret->fd < 0) return -1;
    if (read_expected(expected, ret) == 0) return 0;
    fixture_close(ret);
    return -1;
}

/* ---- As a tiny model ---- */

static uint32_t number(const struct Gguf *file, const char *architecture, const char *name) {
    char key[128];
    uint32_t value = 0;
    snprintf(key, sizeof key, "%s.%s", architecture, name);
    gguf_get_u32(file, key, &value, NULL);
    return value;
}

static struct TinyShape read_shape(const struct Gguf *file, const char *architecture) {
    static const char *const activations[] = {"silu", "relu2"};
    struct TinyShape shape = {
        .architecture = architecture,
        .n_layers = number(file, architecture, "block_count"),
        .n_embd = number(file, architecture, "embedding_length"),
        .n_heads = number(file, architecture, "attention.head_count"),
        .n_kv_heads = number(file, architecture, "attention.head_count_kv"),
        .n_ff = number(file, architecture, "feed_forward_length"),
        .n_rot = number(file, architecture, "rope.dimension_count"),
        .untied = gguf_tensor(file, "output.weight") != NULL,
    };
    struct GgufString name;
    shape.head_size = shape.n_embd / shape.n_heads;
    shape.n_vocab = (uint32_t)gguf_tensor(file, "token_embd.weight")->dims[1];
    for (size_t i = 0; i < 2; i++)
        if (gguf_get_string(file, "bitnet.hidden_activation", &name, NULL) == 0 &&
            name.size == strlen(activations[i]) && !memcmp(name.data, activations[i], name.size))
            shape.activation = activations[i];
    return shape;
}

static void read_tensor(const struct Gguf *file, const struct GgufTensor *tensor,
                        struct TinyTensor *ret) {
    char scale_name[256];
    float scale = 1;
    struct QuantMatrix matrix;
    gguf_matrix(tensor, &matrix, NULL);
    snprintf(ret->name, sizeof ret->name, "%s", tensor->name);
    ret->n_rows = (uint32_t)matrix.n_rows;
    ret->n_cols = (uint32_t)matrix.n_cols;
    ret->is_q8_0 = tensor->type_id == QUANT_Q8_0;
    ret->values = calloc(tensor->n_elements, sizeof *ret->values);
    quant_rows(&matrix, 0, ret->n_rows, ret->values, ret->n_cols);
    snprintf(scale_name, sizeof scale_name, "%.*s.scale", (int)strlen(tensor->name) - 7,
             tensor->name);
    const struct GgufTensor *scale_tensor = gguf_tensor(file, scale_name);
    if (scale_tensor) memcpy(&scale, scale_tensor->data, sizeof scale);
    for (uint64_t i = 0; i < tensor->n_elements; i++) ret->values[i] *= scale;
}

struct TinyModel *fixture_model(const struct Fixture *fixture) {
    static const char *const architectures[] = {"llama", "bitnet", "bitnet-b1.58"};
    struct Gguf *file;
    struct GgufString name;
    const char *architecture = NULL;
    if (gguf_open(fixture->fd, &file, NULL) < 0) return NULL;
    gguf_get_string(file, "general.architecture", &name, NULL);
    for (size_t i = 0; i < 3; i++)
        if (name.size == strlen(architectures[i]) &&
            memcmp(name.data, architectures[i], name.size) == 0)
            architecture = architectures[i];
    struct TinyModel *model = calloc(1, sizeof *model);
    model->shape = read_shape(file, architecture);
    model->n_tensors = gguf_n_tensors(file);
    model->tensors = calloc(model->n_tensors, sizeof *model->tensors);
    for (size_t i = 0; i < model->n_tensors; i++)
        read_tensor(file, gguf_tensor_at(file, i), &model->tensors[i]);
    gguf_free(file);
    return model;
}

void fixture_close(struct Fixture *fixture) {
    if (fixture->fd >= 0) close(fixture->fd);
    free(fixture->logits);
    *fixture = (struct Fixture){.fd = -1};
}

/* The lowest of the likeliest tokens. */
static Token best(const float *logits, uint32_t n) {
    uint32_t token = 0;
    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > logits[token]) token = i;
    return (Token)token;
}

uint32_t fixture_greedy_agreement(const struct Fixture *fixture, Engine *engine, Sequence *sequence,
                                  const float *logits) {
    for (uint32_t i = 0; i < fixture->n_greedy; i++) {
        Token token = best(logits, fixture->n_vocab);
        if (token != fixture->greedy[i]) return i;
        struct Span span = {sequence, &token, 1, SPAN_LAST_LOGITS};
        if (engine_step(engine, &span, 1) < 0) return i;
        logits = span.ret;
    }
    return fixture->n_greedy;
}

void check_refused_file(int fd, const char *expected) {
    Engine *engine;
    Reason why = {""};
    int r = engine_open(fd, &(struct EngineOptions){.n_threads = 1}, &engine, &why);
    close(fd);
    if (r == 0) {
        engine_free(engine);
        test_fail(__FILE__, __LINE__, "opened, although \"%s\"", expected);
    } else if (!strstr(why.text, expected)) {
        test_fail(__FILE__, __LINE__, "%d %s: not \"%s\"", r, why.text, expected);
    }
}
