/* Any bytes as a whole model: what opens must compute, and come back from what it saved. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_TOKENS 8

/* Logits are numbers of any kind: weights can be anything. */
static void run(Engine *engine) {
    const struct ModelInfo *info = engine_info(engine);
    Token tokens[MAX_TOKENS];
    Sequence *sequence, *other;
    void *saved;
    size_t size;
    if (sequence_new(engine, &sequence) < 0) return;
    const uint32_t n = info->n_ctx < MAX_TOKENS ? info->n_ctx : MAX_TOKENS;
    for (uint32_t i = 0; i < n; i++) tokens[i] = (Token)(i * 5 % info->n_vocab);
    struct Span span = {sequence, tokens, n, SPAN_ALL_LOGITS};
    if (engine_step(engine, &span, 1) == 0) {
        if (sequence_save(sequence, &saved, &size) < 0 || sequence_new(engine, &other) < 0) abort();
        if (sequence_restore(other, saved, size, NULL) < 0 || sequence_length(other) != n) abort();
        sequence_free(other);
        free(saved);
    }
    sequence_truncate(sequence, n / 2);
    sequence_free(sequence);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const kv_types[] = {"F32", "F16", "I8"};
    int fd = memfd_create("model", MFD_CLOEXEC);
    if (fd < 0 || (size > 0 && write(fd, data, size) != (ssize_t)size)) abort();
    const struct EngineOptions options = {
        .n_threads = 1, .max_tokens = MAX_TOKENS, .kv_type = kv_types[size % 3]};
    Engine *engine = NULL;
    Reason why = {""};
    int r = engine_open(fd, &options, &engine, &why);
    if (r == 0) run(engine);
    if (r != 0 && !why.text[0]) abort(); /* every refusal has a reason */
    if (r == 0) engine_free(engine);
    close(fd);
    return 0;
}
