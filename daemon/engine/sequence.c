#include "engine/sequence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/digest.h"
#include "engine/engine-private.h"

static int wrap_state(Engine *engine, void *state, uint32_t n_tokens, Sequence **ret) {
    Sequence *sequence = malloc(sizeof *sequence);
    if (!sequence) {
        engine->family->state_free(engine->model, state);
        return -ENOMEM;
    }
    *sequence = (Sequence){.engine = engine, .state = state, .n_tokens = n_tokens};
    *ret = sequence;
    return 0;
}

int sequence_new(Engine *engine, Sequence **ret) {
    void *state;
    int r = engine->family->state_new(engine->model, &state);
    return r < 0 ? r : wrap_state(engine, state, 0, ret);
}

Sequence *sequence_free(Sequence *sequence) {
    if (!sequence) return NULL;
    sequence->engine->family->state_free(sequence->engine->model, sequence->state);
    free(sequence);
    return NULL;
}

int sequence_fork(Sequence *sequence, Sequence **ret) {
    Engine *engine = sequence->engine;
    void *state;
    int r = engine->family->state_fork(engine->model, sequence->state, sequence->n_tokens, &state);
    return r < 0 ? r : wrap_state(engine, state, sequence->n_tokens, ret);
}

int sequence_truncate(Sequence *sequence, uint32_t n_tokens) {
    Engine *engine = sequence->engine;
    if (n_tokens > sequence->n_tokens) return -EINVAL;
    int r = engine->family->state_truncate(engine->model, sequence->state, sequence->n_tokens,
                                           n_tokens);
    if (r < 0) return r;
    sequence->n_tokens = n_tokens;
    return 0;
}

uint32_t sequence_length(const Sequence *sequence) {
    return sequence->n_tokens;
}

size_t sequence_bytes(const Sequence *sequence) {
    const Engine *engine = sequence->engine;
    return sizeof *sequence + engine->family->state_bytes(engine->model, sequence->state);
}

/* ---- As bytes: a header, then what the family writes ---- */

#define SAVE_MAGIC "RLLMSEQ"
#define SAVE_VERSION 2u

/* ModelInfo.kv_type, NUL-padded. */
struct KvTag {
    char text[8];
};

struct SaveHeader {
    char magic[8];
    uint32_t version;
    uint32_t n_tokens;
    struct Digest model; /* ModelInfo.fingerprint */
    struct KvTag kv_type;
    struct Digest checksum; /* of n_tokens and what follows the header */
    uint64_t size;          /* of what follows the header */
};

static struct KvTag kv_tag(const Engine *engine) {
    struct KvTag tag = {""};
    snprintf(tag.text, sizeof tag.text, "%s", engine->info.kv_type);
    return tag;
}

static struct Digest save_checksum(uint32_t n_tokens, const void *payload, size_t size) {
    struct Digest digest = {{0, 0}};
    digest_add(&digest, &n_tokens, sizeof n_tokens);
    digest_add(&digest, payload, size);
    return digest;
}

int sequence_save(const Sequence *sequence, void **ret, size_t *ret_size) {
    const Engine *engine = sequence->engine;
    const struct Family *family = engine->family;
    size_t size = family->state_save_size(engine->model, sequence->state, sequence->n_tokens);
    struct SaveHeader header = {
        .magic = SAVE_MAGIC,
        .version = SAVE_VERSION,
        .n_tokens = sequence->n_tokens,
        .model = engine->fingerprint,
        .kv_type = kv_tag(engine),
        .size = size,
    };
    uint8_t *data = malloc(sizeof header + size);
    if (!data) return -ENOMEM;
    family->state_save(engine->model, sequence->state, sequence->n_tokens, data + sizeof header);
    header.checksum = save_checksum(header.n_tokens, data + sizeof header, size);
    memcpy(data, &header, sizeof header);
    *ret = data;
    *ret_size = sizeof header + size;
    return 0;
}

static int check_header(const Engine *engine, const struct SaveHeader *header, const uint8_t *data,
                        size_t size, Reason *why) {
    const struct KvTag kv_type = kv_tag(engine);
    if (memcmp(header->magic, SAVE_MAGIC, sizeof header->magic) != 0)
        return reason_set(why, EBADMSG, "not a saved sequence");
    if (header->version != SAVE_VERSION)
        return reason_set(why, EBADMSG, "a saved sequence of version %u, not %u", header->version,
                          SAVE_VERSION);
    if (memcmp(&header->model, &engine->fingerprint, sizeof header->model) != 0)
        return reason_set(why, EBADMSG, "the saved sequence is another model's");
    if (memcmp(&header->kv_type, &kv_type, sizeof kv_type) != 0)
        return reason_set(why, EBADMSG, "the saved sequence has keys and values of another type");
    if (header->n_tokens > engine->info.n_ctx)
        return reason_set(why, EBADMSG, "the saved sequence has %u tokens, the context %u",
                          header->n_tokens, engine->info.n_ctx);
    if (header->size != size - sizeof *header)
        return reason_set(why, EBADMSG, "the saved sequence is truncated or too long");
    struct Digest sum = save_checksum(header->n_tokens, data + sizeof *header, header->size);
    if (memcmp(&sum, &header->checksum, sizeof sum) != 0)
        return reason_set(why, EBADMSG, "the saved sequence is damaged");
    return 0;
}

int sequence_restore(Sequence *sequence, const void *data, size_t size, Reason *why) {
    Engine *engine = sequence->engine;
    struct SaveHeader header;
    if (sequence->n_tokens > 0)
        return reason_set(why, EINVAL, "the sequence to restore into is not empty");
    if (size < sizeof header) return reason_set(why, EBADMSG, "the saved sequence is truncated");
    memcpy(&header, data, sizeof header);
    int r = check_header(engine, &header, data, size, why);
    if (r < 0) return r;
    r = engine->family->state_restore(engine->model, sequence->state, header.n_tokens,
                                      (const uint8_t *)data + sizeof header, header.size, why);
    if (r < 0) return r;
    sequence->n_tokens = header.n_tokens;
    return 0;
}
