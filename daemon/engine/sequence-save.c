/* A sequence as bytes: a header, its tokens, then what the family writes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/digest.h"
#include "engine/engine-private.h"
#include "engine/sequence.h"

#define SAVE_MAGIC "RLLMSEQ"
#define SAVE_VERSION 4u

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

int sequence_save(Sequence *sequence, void **ret, size_t *ret_size) {
    Engine *engine = sequence->engine;
    const struct Family *family = engine->family;
    int r = engine_catch_up(engine, sequence);
    if (r < 0) return r;
    const uint32_t n = sequence->n_tokens;
    const size_t tokens_size = n * sizeof(Token);
    struct SaveHeader header = {
        .magic = SAVE_MAGIC,
        .version = SAVE_VERSION,
        .n_tokens = n,
        .model = engine->fingerprint,
        .kv_type = kv_tag(engine),
        .size = tokens_size + family->state_save_size(engine->model, sequence->state, n),
    };
    uint8_t *data = malloc(sizeof header + header.size), *payload = data + sizeof header;
    if (!data) return -ENOMEM;
    if (n > 0) memcpy(payload, sequence->tokens, tokens_size);
    family->state_save(engine->model, sequence->state, n, payload + tokens_size);
    header.checksum = save_checksum(n, payload, header.size);
    memcpy(data, &header, sizeof header);
    *ret = data;
    *ret_size = sizeof header + header.size;
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
    if (header->size != size - sizeof *header || header->size / sizeof(Token) < header->n_tokens)
        return reason_set(why, EBADMSG, "the saved sequence is truncated or too long");
    struct Digest sum = save_checksum(header->n_tokens, data + sizeof *header, header->size);
    if (memcmp(&sum, &header->checksum, sizeof sum) != 0)
        return reason_set(why, EBADMSG, "the saved sequence is damaged");
    return 0;
}

/* The tokens are indices into tables: they are looked at, check sum or not. */
static int restore_tokens(Sequence *sequence, const uint8_t *payload, uint32_t n, Reason *why) {
    int r = sequence_reserve(sequence, n);
    if (r < 0) return r;
    if (n > 0) memcpy(sequence->tokens, payload, n * sizeof(Token));
    for (uint32_t i = 0; i < n; i++)
        if (sequence->tokens[i] < 0 ||
            (uint32_t)sequence->tokens[i] >= sequence->engine->info.n_vocab)
            return reason_set(why, EBADMSG, "the saved sequence has a token out of range");
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
    const uint8_t *payload = (const uint8_t *)data + sizeof header;
    const size_t tokens_size = header.n_tokens * sizeof(Token);
    r = restore_tokens(sequence, payload, header.n_tokens, why);
    if (r < 0) return r;
    r = engine->family->state_restore(engine->model, sequence->state, header.n_tokens,
                                      payload + tokens_size, header.size - tokens_size, why);
    if (r < 0) return r;
    sequence->n_tokens = sequence->n_state = header.n_tokens;
    return 0;
}
