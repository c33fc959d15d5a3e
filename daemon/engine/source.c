#include "engine/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What the metadata says ---- */

/* A string of the metadata as the engine's own, cut at the first NUL; absent ones are empty. */
static int copy_string(const struct Gguf *gguf, const char *key, char **slot, const char **ret,
                       Reason *why) {
    struct GgufString string = {"", 0};
    int r = gguf_get_string(gguf, key, &string, why);
    if (r < 0) return r;
    *slot = strndup(string.data, string.size);
    if (!*slot) return -ENOMEM;
    *ret = *slot;
    return 0;
}

static int read_info(Engine *engine, Reason *why) {
    struct ModelInfo *info = &engine->info;
    const struct Gguf *gguf = engine->gguf;
    int r = copy_string(gguf, "general.name", &engine->strings[0], &info->name, why);
    if (r == 0)
        r = copy_string(gguf, "general.architecture", &engine->strings[1], &info->architecture,
                        why);
    if (r == 0)
        r = copy_string(gguf, "tokenizer.chat_template", &engine->strings[2], &info->chat_template,
                        why);
    return r;
}

static int find_family(Engine *engine, Reason *why) {
    const char *architecture = engine->info.architecture;
    if (!*architecture) return reason_set(why, EBADMSG, "the file has no general.architecture");
    engine->family = family_find(architecture);
    const char *refusal = architecture_refusal(architecture);
    if (refusal)
        return reason_set(why, ENOTSUP, "the architecture \"%s\" is not supported: %s",
                          architecture, refusal);
    if (!engine->family)
        return reason_set(why, ENOTSUP, "the architecture \"%.64s\" is not supported",
                          architecture);
    return 0;
}

/* ---- GGUF files ---- */

/* Enough of the data to tell fine-tunes of one model apart, in milliseconds. */
#define SAMPLE_SIZE 1024u

static void digest_tensor(struct Digest *digest, const struct GgufTensor *tensor) {
    const uint8_t *data = tensor->data;
    digest_add(digest, tensor->name, strlen(tensor->name));
    digest_add(digest, &tensor->type_id, sizeof tensor->type_id);
    digest_add(digest, tensor->dims, sizeof tensor->dims);
    if (tensor->size <= 3 * SAMPLE_SIZE) {
        if (tensor->size > 0) digest_add(digest, data, tensor->size);
        return;
    }
    digest_add(digest, data, SAMPLE_SIZE);
    digest_add(digest, data + tensor->size / 2, SAMPLE_SIZE);
    digest_add(digest, data + tensor->size - SAMPLE_SIZE, SAMPLE_SIZE);
}

static struct Digest digest_file(const struct Gguf *gguf) {
    struct Digest digest = {{0, 0}};
    size_t size;
    const void *metadata = gguf_metadata(gguf, &size, NULL);
    digest_add(&digest, metadata, size);
    for (size_t i = 0; i < gguf_n_tensors(gguf); i++)
        digest_tensor(&digest, gguf_tensor_at(gguf, i));
    return digest;
}

/* Counts the parameters and finds the type that most of them have. */
static void count_weights(const struct Gguf *gguf, struct ModelInfo *info) {
    uint64_t counts[256] = {0};
    uint32_t most = 0;
    info->n_parameters = 0;
    for (size_t i = 0; i < gguf_n_tensors(gguf); i++) {
        const struct GgufTensor *tensor = gguf_tensor_at(gguf, i);
        info->n_parameters += tensor->n_elements;
        if (tensor->type_id >= 256) continue;
        counts[tensor->type_id] += tensor->n_elements;
        if (counts[tensor->type_id] > counts[most]) most = tensor->type_id;
    }
    const char *name = quant_type_name(most);
    info->weights = counts[most] > 0 && name ? name : "";
}

static int open_gguf(Engine *engine, struct SourceFiles files, enum Requantise requantise,
                     Reason *why) {
    int r = gguf_open_parts(files.fds, files.n, &engine->gguf, why);
    if (r < 0) return r;
    engine->fingerprint = digest_file(engine->gguf);
    count_weights(engine->gguf, &engine->info);
    return weights_new(engine->gguf, engine->compute.pool, requantise, &engine->weights);
}

/* ---- Packed files ---- */

static int open_packed(Engine *engine, int fd, Reason *why) {
    int r = packed_open(fd, kernels_variant(engine->compute.kernels), &engine->packed, why);
    if (r == PACKED_STALE) return ENGINE_STALE;
    if (r < 0) return r;
    const struct Packed *packed = engine->packed;
    r = packed_metadata(packed, &engine->gguf, why);
    if (r < 0) return r;
    engine->fingerprint = packed->header->fingerprint;
    engine->info.n_parameters = packed->header->n_parameters;
    engine->info.weights = packed->header->weights;
    return weights_map(packed->entries, packed->header->n_entries, packed->data,
                       packed->header->data_size, engine->compute.pool, &engine->weights, why);
}

int source_pack(Engine *engine, int out_fd, WeightsProgress *progress, void *userdata,
                Reason *why) {
    struct PackedHeader header = {
        .fingerprint = engine->fingerprint,
        .n_parameters = engine->info.n_parameters,
    };
    snprintf(header.tier, sizeof header.tier, "%s", kernels_variant(engine->compute.kernels));
    snprintf(header.weights, sizeof header.weights, "%s", engine->info.weights);
    return packed_write(out_fd, &header, engine->gguf, engine->weights, progress, userdata, why);
}

/* Other weights are another model: what one of the two has saved is of no use to the other. */
static void tell_requantised(Engine *engine) {
    struct PackReport report;
    const struct PackChange *most = NULL;
    weights_report(engine->weights, &report);
    for (unsigned i = 0; i < report.n_changes; i++) {
        const struct PackChange *change = &report.changes[i];
        digest_add(&engine->fingerprint, change->from, strlen(change->from));
        digest_add(&engine->fingerprint, change->to, strlen(change->to));
        if (strcmp(change->from, engine->info.weights) != 0) continue;
        if (!most || change->bytes_before > most->bytes_before) most = change;
    }
    if (!most) return;
    snprintf(engine->weights_name, sizeof engine->weights_name, "%s→%s", most->from, most->to);
    engine->info.weights = engine->weights_name;
}

/* ---- Both ---- */

int source_open(Engine *engine, struct SourceFiles files, enum Requantise requantise, Reason *why) {
    int r = files.n == 1 ? packed_detect(files.fds[0]) : 0;
    if (r < 0) return reason_set(why, -r, "the model file cannot be read: %s", strerror(-r));
    r = r > 0 ? open_packed(engine, files.fds[0], why) : open_gguf(engine, files, requantise, why);
    if (r != 0) return r;
    r = read_info(engine, why);
    return r < 0 ? r : find_family(engine, why);
}

/* Whoever wrote layers that block_count does not count meant another model. A packed file has no
 * tensors left in its metadata. */
static int refuse_more_layers(const struct Gguf *gguf, uint32_t n_layers, Reason *why) {
    for (size_t i = 0; i < gguf_n_tensors(gguf); i++) {
        const char *name = gguf_tensor_at(gguf, i)->name;
        unsigned layer;
        if (sscanf(name, "blk.%9u.", &layer) == 1 && layer >= n_layers)
            return reason_set(why, ENOTSUP, "a model of %u layers has no tensor %s", n_layers,
                              name);
    }
    return 0;
}

int source_plan(Engine *engine, const struct EngineOptions *options, struct ModelShape *ret_shape,
                Reason *why) {
    struct ModelFile file = {
        .gguf = engine->gguf,
        .architecture = engine->info.architecture,
        .weights = engine->weights,
        .kv_type = options->kv_type,
        .n_ctx = options->n_ctx,
    };
    int r = engine->family->open(&file, ret_shape, &engine->model, why);
    if (r == 0) r = refuse_more_layers(engine->gguf, ret_shape->n_layers, why);
    if (r == 0) tell_requantised(engine);
    if (r == 0 && ret_shape->variant != 0)
        digest_add(&engine->fingerprint, &ret_shape->variant, sizeof ret_shape->variant);
    return r;
}

void source_close(Engine *engine) {
    if (engine->model) engine->family->close(engine->model);
    weights_free(engine->weights);
    gguf_free(engine->gguf);
    packed_free(engine->packed);
    for (size_t i = 0; i < sizeof engine->strings / sizeof *engine->strings; i++)
        free(engine->strings[i]);
}
