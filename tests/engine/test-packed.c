/* Packed files: the same logits as from the GGUF file, and nothing believed. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/packed.h"
#include "engine/quant.h"
#include "engine/text/tokenizer.h"
#include "kernels/kernels.h"
#include "test.h"
#include "tiny-mamba.h"
#include "tiny-model.h"
#include "tiny-rwkv.h"

static const struct TinyShape shapes[] = {
    {"llama", 2, 40, 4, 2, 16, 60, 45, 16, 64, .biases = true, .untied = true,
     .rope_factors = true},
    {"llama", 1, 64, 2, 2, 32, 96, 33, 32, 64, .type = QUANT_Q8_0},
    {"bitnet-b1.58", 2, 48, 4, 2, 16, 70, 45, 16, 64, .type = QUANT_F16},
};

#define N_SHAPES (sizeof shapes / sizeof *shapes)
#define N_SOURCES (N_SHAPES + 6)

static int source_fd(size_t i) {
    struct TinyRwkv separate = tiny_rwkv6;
    separate.separate_lerps = separate.without_ranks = true;
    if (i == N_SHAPES) return tiny_rwkv_fd(&separate);
    if (i == N_SHAPES + 1) return tiny_rwkv_fd(&tiny_rwkv6);
    if (i == N_SHAPES + 2) return tiny_rwkv_fd(&tiny_rwkv7);
    if (i == N_SHAPES + 3) return tiny_mamba_fd(&tiny_mamba);
    if (i == N_SHAPES + 4) return tiny_mamba_fd(&tiny_mamba2);
    if (i == N_SOURCES - 1) return fake_model_fd(40, 0, 0, 0);
    struct TinyModel *model = tiny_model_new(&shapes[i]);
    int fd = tiny_model_fd(model);
    tiny_model_free(model);
    return fd;
}

static int count_progress(void *userdata, uint64_t done, uint64_t total) {
    CHECK(done <= total);
    ++*(int *)userdata;
    return 0;
}

static int cancel(void *userdata, uint64_t done, uint64_t total) {
    return 1;
}

static int pack(size_t i) {
    Reason why = {""};
    int n = 0, source = source_fd(i), fd = memfd_create("packed", MFD_CLOEXEC);
    const struct EnginePackOptions options = {.progress = count_progress, .userdata = &n};
    int r = engine_pack(source, fd, &options, NULL, &why);
    if (r != 0) test_fail(__FILE__, __LINE__, "%d %s", r, why.text);
    CHECK(n > 0 || i == N_SOURCES - 1);
    close(source);
    return fd;
}

/* Eight tokens' logits, [8][n_vocab]. */
static float *run(Engine *engine) {
    static const Token tokens[] = {3, 1, 4, 1, 5, 9, 2, 6};
    uint32_t n_vocab = engine_info(engine)->n_vocab;
    float *ret = calloc(8 * n_vocab, sizeof *ret);
    Sequence *sequence;
    CHECK_INT(sequence_new(engine, &sequence), 0);
    struct Span span = {sequence, tokens, 8, SPAN_ALL_LOGITS};
    CHECK_INT(engine_step(engine, &span, 1), 0);
    for (int i = 0; i < 8; i++)
        memcpy(ret + i * n_vocab, span.ret + i * span.ret_stride, n_vocab * sizeof *ret);
    sequence_free(sequence);
    return ret;
}

static void same_model(void) {
    for (size_t i = 0; i < N_SOURCES; i++) {
        Engine *a, *b;
        int source = source_fd(i), fd = pack(i);
        REQUIRE(engine_open(source, NULL, &a, NULL) == 0);
        REQUIRE(engine_open(fd, NULL, &b, NULL) == 0);
        const struct ModelInfo *x = engine_info(a), *y = engine_info(b);
        CHECK_STR(y->name, x->name);
        CHECK_STR(y->architecture, x->architecture);
        CHECK_STR(y->weights, x->weights);
        CHECK_INT(y->n_parameters, x->n_parameters);
        CHECK_INT(y->weight_bytes, x->weight_bytes);
        CHECK(memcmp(x->fingerprint, y->fingerprint, sizeof x->fingerprint) == 0);
        CHECK_INT(tokenizer_size(engine_tokenizer(b)), tokenizer_size(engine_tokenizer(a)));
        CHECK_INT(tokenizer_eos(engine_tokenizer(b)), tokenizer_eos(engine_tokenizer(a)));
        float *expected = run(a), *got = run(b);
        CHECK(memcmp(expected, got, 8 * x->n_vocab * sizeof *got) == 0);
        free(expected);
        free(got);
        engine_free(a);
        engine_free(b);
        close(source);
        close(fd);
    }
}

/* Some megabytes, so that there is something to settle. */
static void settled(void) {
    static const struct TinyShape shape = {"llama", 2, 256, 4, 2, 64, 1024, 45, 16, 64};
    Reason why = {""};
    Engine *engine;
    struct TinyModel *model = tiny_model_new(&shape);
    int source = tiny_model_fd(model), fd = memfd_create("packed", MFD_CLOEXEC);
    CHECK_INT(engine_pack(source, fd, NULL, NULL, &why), 0);
    REQUIRE(engine_open(fd, NULL, &engine, &why) == 0);
    float *before = run(engine);
    while (engine_settle(engine)) continue;
    float *after = run(engine);
    CHECK(memcmp(before, after, 8 * shape.n_vocab * sizeof *after) == 0);
    free(before);
    free(after);
    engine_free(engine);
    close(source);
    close(fd);
    tiny_model_free(model);
}

static void fingerprints_differ(void) {
    unsigned char seen[N_SOURCES][16];
    for (size_t i = 0; i < N_SOURCES; i++) {
        Engine *engine;
        int fd = source_fd(i);
        REQUIRE(engine_open(fd, NULL, &engine, NULL) == 0);
        memcpy(seen[i], engine_info(engine)->fingerprint, 16);
        for (size_t j = 0; j < i; j++) CHECK(memcmp(seen[i], seen[j], 16) != 0);
        engine_free(engine);
        close(fd);
    }
}

static void stale(void) {
    int fd = pack(0);
    Engine *engine;
    Reason why = {""};
    struct PackedHeader header, changed;
    REQUIRE(pread(fd, &header, sizeof header, 0) == sizeof header);
    for (int i = 0; i < 4; i++) {
        changed = header;
        if (i == 0) changed.version++;
        if (i == 1) changed.layout++;
        if (i == 2) snprintf(changed.tier, sizeof changed.tier, "mmx");
        /* This tier, but what makes another layout of ternary weights the fastest. */
        if (i == 3) snprintf(changed.tier, sizeof changed.tier, "%s-", kernels_best()->tier);
        REQUIRE(pwrite(fd, &changed, sizeof changed, 0) == sizeof changed);
        CHECK_INT(engine_open(fd, NULL, &engine, &why), ENGINE_STALE);
        CHECK(why.text[0]);
    }
    REQUIRE(pwrite(fd, &header, sizeof header, 0) == sizeof header);
    for (unsigned i = 0; kernels_tier(i); i++) {
        const struct Kernels *kernels = kernels_tier(i);
        int r = engine_open(fd, &(struct EngineOptions){.kernels = kernels}, &engine, &why);
        CHECK_INT(r, kernels == kernels_best() ? 0 : ENGINE_STALE);
        if (r == 0) engine_free(engine);
    }
    close(fd);
}

/* Opens it, and when that works uses it. */
static int try_open(int fd) {
    Engine *engine;
    int r = engine_open(fd, &(struct EngineOptions){.n_threads = 1}, &engine, NULL);
    if (r == 0) {
        free(run(engine));
        engine_free(engine);
    }
    return r;
}

static void damaged(void) {
    int fd = pack(0);
    struct stat status;
    struct PackedHeader header;
    REQUIRE(fstat(fd, &status) == 0 && pread(fd, &header, sizeof header, 0) == sizeof header);
    uint64_t index_end = header.index_offset + header.n_entries * sizeof(struct WeightEntry);
    for (off_t at = 0; at < (off_t)index_end; at += at < (off_t)sizeof header ? 1 : 37) {
        uint8_t byte, changed;
        if (at >= (off_t)sizeof header && at < (off_t)header.metadata_offset) continue;
        REQUIRE(pread(fd, &byte, 1, at) == 1);
        changed = byte ^ 0x81;
        REQUIRE(pwrite(fd, &changed, 1, at) == 1);
        bool in_padding = (uint64_t)at >= header.metadata_offset + header.metadata_size &&
                          (uint64_t)at < header.index_offset;
        int r = try_open(fd);
        if (r == 0 && !in_padding)
            test_fail(__FILE__, __LINE__, "byte %jd is not checked", (intmax_t)at);
        REQUIRE(pwrite(fd, &byte, 1, at) == 1);
    }
    CHECK_INT(try_open(fd), 0);
    for (off_t size = status.st_size - 1; size > 0; size = size * 7 / 8) {
        REQUIRE(ftruncate(fd, size) == 0);
        CHECK(try_open(fd) < 0);
    }
    close(fd);
}

static struct WeightEntry *read_entries(int fd, struct PackedHeader *ret_header) {
    if (pread(fd, ret_header, sizeof *ret_header, 0) != sizeof *ret_header) return NULL;
    size_t size = ret_header->n_entries * sizeof(struct WeightEntry);
    struct WeightEntry *entries = malloc(size + 1);
    if (pread(fd, entries, size, (off_t)ret_header->index_offset) == (ssize_t)size) return entries;
    free(entries);
    return NULL;
}

static void flip(int fd, uint64_t at) {
    uint8_t byte;
    CHECK(pread(fd, &byte, 1, (off_t)at) == 1);
    byte ^= 0x10;
    CHECK(pwrite(fd, &byte, 1, (off_t)at) == 1);
}

/* A bit of a weight is found out, in every tensor, and the reason says what to do. */
static void damaged_weights(void) {
    for (size_t i = 0; i < N_SOURCES; i++) {
        struct PackedHeader header;
        int fd = pack(i);
        struct WeightEntry *entries = read_entries(fd, &header);
        REQUIRE(entries);
        for (uint64_t k = 0; k < header.n_entries; k++)
            for (uint64_t part = 0; part <= 4; part++) {
                uint64_t at =
                    header.data_offset + entries[k].offset + (entries[k].size - 1) * part / 4;
                Reason why = {""};
                Engine *engine;
                flip(fd, at);
                CHECK_INT(engine_open(fd, NULL, &engine, &why), -EBADMSG);
                CHECK(strstr(why.text, entries[k].name) &&
                      strstr(why.text, "install the model again"));
                flip(fd, at);
            }
        CHECK_INT(try_open(fd), 0);
        free(entries);
        close(fd);
    }
}

/* Cut short where something begins or ends, and a byte before and behind. */
static void cut_short(void) {
    int fd = pack(0);
    struct PackedHeader header;
    struct WeightEntry *entries = read_entries(fd, &header);
    struct stat status;
    REQUIRE(entries && fstat(fd, &status) == 0);
    uint64_t places[5 + 4096] = {sizeof header, header.metadata_offset,
                                 header.metadata_offset + header.metadata_size, header.index_offset,
                                 header.data_offset};
    size_t n = 5;
    for (uint64_t k = 0; k < header.n_entries; k++) {
        places[n++] = header.data_offset + entries[k].offset;
        places[n++] = header.data_offset + entries[k].offset + entries[k].size;
    }
    close(fd);
    fd = pack(0);
    for (size_t i = n; i-- > 0;) /* from the end */
        for (int k = 1; k >= -1; k--) {
            off_t size = (off_t)places[i] + k;
            if (size >= status.st_size) continue;
            REQUIRE(ftruncate(fd, size) == 0);
            CHECK(try_open(fd) < 0);
            REQUIRE(ftruncate(fd, status.st_size) == 0); /* as long as before, but zeros */
            CHECK(try_open(fd) < 0);
        }
    free(entries);
    close(fd);
}

/* Headers and indexes that lie, with a check sum that says they do not. */
static void lies(void) {
    int fd = pack(0);
    struct PackedHeader header, lie;
    REQUIRE(pread(fd, &header, sizeof header, 0) == sizeof header);
    size_t index_size = header.n_entries * sizeof(struct WeightEntry);
    uint8_t *metadata = malloc(header.metadata_size);
    struct WeightEntry *entries = malloc(index_size), saved;
    REQUIRE(pread(fd, metadata, header.metadata_size, (off_t)header.metadata_offset) ==
            (ssize_t)header.metadata_size);
    REQUIRE(pread(fd, entries, index_size, (off_t)header.index_offset) == (ssize_t)index_size);
    for (int i = 0; i < 9; i++) {
        struct WeightEntry *entry = &entries[i % header.n_entries];
        lie = header;
        saved = *entry;
        switch (i) {
        case 0:
            entry->offset += 64 << 20;
            break;
        case 1:
            entry->offset = UINT64_MAX - 63;
            break;
        case 2:
            entry->layout = 77;
            break;
        case 3:
            entry->layout = entry->layout == MATRIX_T2 ? MATRIX_F16 : MATRIX_T2;
            break;
        case 4:
            entry->n_rows++;
            break;
        case 5:
            entry->n_cols = 0;
            break;
        case 6:
            entry->scale = NAN;
            break;
        case 7:
            entry->name[0] = 'x';
            break;
        case 8:
            memset(entry->name, 'x', sizeof entry->name);
            break;
        }
        lie.checksum = (struct Digest){{0, 0}};
        digest_add(&lie.checksum, &lie, offsetof(struct PackedHeader, checksum));
        digest_add(&lie.checksum, metadata, lie.metadata_size);
        digest_add(&lie.checksum, entries, index_size);
        REQUIRE(pwrite(fd, &lie, sizeof lie, 0) == sizeof lie);
        REQUIRE(pwrite(fd, entries, index_size, (off_t)lie.index_offset) == (ssize_t)index_size);
        int r = try_open(fd);
        if (r != -EBADMSG) test_fail(__FILE__, __LINE__, "lie %d: %d", i, r);
        *entry = saved;
    }
    free(metadata);
    free(entries);
    close(fd);
}

static void unfinished(void) {
    int source = source_fd(0), fd = memfd_create("packed", MFD_CLOEXEC);
    Reason why = {""};
    CHECK_INT(engine_pack(source, fd, &(struct EnginePackOptions){.progress = cancel}, NULL, &why),
              -ECANCELED);
    CHECK(try_open(fd) < 0);
    close(fd);
    fd = pack(0);
    CHECK_INT(engine_pack(fd, source, NULL, NULL, &why), -EINVAL); /* packed already */
    close(fd);
    close(source);
}

int main(void) {
    return TEST_MAIN({"the same model", same_model}, {"settled", settled},
                     {"fingerprints differ", fingerprints_differ}, {"stale files", stale},
                     {"damaged files", damaged}, {"damaged weights", damaged_weights},
                     {"files cut short", cut_short}, {"files that lie", lies},
                     {"unfinished files", unfinished});
}
