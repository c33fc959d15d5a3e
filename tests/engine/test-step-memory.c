/* A step allocates nothing: what a sequence remembers grows by pages of 64 tokens, and that is all.
 * The linker gives the engine the functions below in place of the C library's. */
#include <stdatomic.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/kv.h"
#include "test.h"
#include "tiny-mamba.h"
#include "tiny-model.h"
#include "tiny-rwkv.h"

static atomic_uint n_calls;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size) {
    atomic_fetch_add(&n_calls, 1);
    return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
    atomic_fetch_add(&n_calls, 1);
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size) {
    atomic_fetch_add(&n_calls, 1);
    return __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    atomic_fetch_add(&n_calls, 1);
    return __real_aligned_alloc(alignment, size);
}

static void steps(int fd) {
    const struct EngineOptions options = {.n_threads = 2, .max_tokens = 8};
    Engine *engine;
    Sequence *sequence;
    REQUIRE(engine_open(fd, &options, &engine, NULL) == 0);
    REQUIRE(sequence_new(engine, &sequence) == 0);
    const uint32_t n_ctx = engine_info(engine)->n_ctx;
    CHECK(n_ctx > 2 * KV_PAGE);
    for (uint32_t i = 0; i < n_ctx && i < 5 * KV_PAGE; i++) {
        const Token token = (Token)(3 + i % 20);
        struct Span span = {sequence, &token, 1, SPAN_LAST_LOGITS};
        atomic_store(&n_calls, 0);
        CHECK_INT(engine_step(engine, &span, 1), 0);
        const unsigned n = atomic_load(&n_calls);
        if (n > (i % KV_PAGE == 0 ? 4 : 0))
            test_fail(__FILE__, __LINE__, "step %u allocated %u times", i, n);
    }
    sequence_free(sequence);
    engine_free(engine);
    close(fd);
}

static void transformer(void) {
    static const struct TinyShape shape = {"llama", 2, 64, 4, 2, 16, 96, 45, 16, 512};
    struct TinyModel *model = tiny_model_new(&shape);
    steps(tiny_model_fd(model));
    tiny_model_free(model);
}

static void mamba(void) {
    steps(tiny_mamba_fd(&tiny_mamba));
    steps(tiny_mamba_fd(&tiny_mamba2));
}

static void rwkv(void) {
    steps(tiny_rwkv_fd(&tiny_rwkv6));
    steps(tiny_rwkv_fd(&tiny_rwkv7));
}

int main(void) {
    void *volatile memory = malloc(1);
    free(memory);
    if (atomic_load(&n_calls) != 1) abort(); /* or nothing would be counted */
    return TEST_MAIN({"transformer", transformer}, {"Mamba", mamba}, {"RWKV", rwkv});
}
