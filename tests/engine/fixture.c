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

/* ---- A copy with another vocabulary ---- */

static void copy_key(struct GgufWriter *writer, const struct Gguf *file, const char *key) {
    uint32_t number;
    float real;
    struct GgufString string;
    char text[256] = "";
    if (gguf_get_u32(file, key, &number, NULL) == 0) {
        gguf_writer_u32(writer, key, number);
    } else if (gguf_get_f32(file, key, &real, NULL) == 0) {
        gguf_writer_f32(writer, key, real);
    } else if (gguf_get_string(file, key, &string, NULL) == 0 && string.size < sizeof text) {
        memcpy(text, string.data, string.size);
        gguf_writer_string(writer, key, text);
    }
}

static void copy_keys(struct GgufWriter *writer, const struct Gguf *file) {
    static const char *const names[] = {
        "context_length",       "embedding_length",
        "block_count",          "feed_forward_length",
        "attention.head_count", "attention.head_count_kv",
        "rope.dimension_count", "attention.layer_norm_rms_epsilon",
        "rope.freq_base",       "hidden_activation",
    };
    struct GgufString architecture = {"", 0};
    char key[256];
    copy_key(writer, file, "general.architecture");
    gguf_get_string(file, "general.architecture", &architecture, NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(key, sizeof key, "%.*s.%s", (int)architecture.size, architecture.data, names[i]);
        copy_key(writer, file, key);
    }
}

static int with_vocabulary(int fd) {
    struct Gguf *file;
    if (gguf_open(fd, &file, NULL) < 0) return -1;
    struct GgufWriter *writer = gguf_writer_new();
    copy_keys(writer, file);
    tiny_vocabulary(writer, 256);
    for (size_t i = 0; i < gguf_n_tensors(file); i++) {
        const struct GgufTensor *tensor = gguf_tensor_at(file, i);
        gguf_writer_tensor(writer, tensor->name, tensor->type_id, tensor->n_dims, tensor->dims,
                           tensor->data, tensor->size);
    }
    gguf_free(file);
    close(fd);
    return gguf_writer_finish_fd(writer);
}

static int open_model(const char *name) {
    char file_name[256];
    snprintf(file_name, sizeof file_name, "gguf-test/%s.gguf", name);
    char *path = test_data(file_name);
    if (!path) return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    return strncmp(name, "bitnet", 6) == 0 ? with_vocabulary(fd) : fd;
}

int fixture_open(const char *name, const char *expected, struct Fixture *ret) {
    *ret = (struct Fixture){.fd = open_model(name)};
    if (ret->fd < 0) return -1;
    if (read_expected(expected, ret) == 0) return 0;
    fixture_close(ret);
    return -1;
}

void fixture_close(struct Fixture *fixture) {
    if (fixture->fd >= 0) close(fixture->fd);
    free(fixture->logits);
    *fixture = (struct Fixture){.fd = -1};
}
