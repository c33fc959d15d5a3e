/* Models that are split over files: together they are the whole one, and nothing may be missing. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/gguf.h"
#include "engine/quant.h"
#include "split-model.h"
#include "test.h"
#include "tiny-model.h"

#define MAX_PARTS 7

static const struct TinyShape shape = {
    "llama", 2, 64, 4, 2, 16, 96, 45, 16, 64, .type = QUANT_F16, .untied = true};

static int whole_fd(void) {
    struct TinyModel *model = tiny_model_new(&shape);
    int fd = tiny_model_fd(model);
    tiny_model_free(model);
    return fd;
}

static void parts_open(uint32_t n, int *ret) {
    int fd = whole_fd();
    struct Gguf *file = NULL;
    REQUIRE(gguf_open(fd, &file, NULL) == 0);
    for (uint32_t i = 0; i < n; i++) ret[i] = split_model_fd(file, i, n, (struct SplitLie){0});
    gguf_free(file);
    close(fd);
}

static void close_all(const int *fds, size_t n) {
    for (size_t i = 0; i < n; i++) close(fds[i]);
}

static void run(Engine *engine, float *ret) {
    static const Token tokens[] = {3, 1, 4, 1, 5, 9, 2, 6};
    Sequence *sequence = NULL;
    REQUIRE(sequence_new(engine, &sequence) == 0);
    struct Span span = {sequence, tokens, 8, SPAN_LAST_LOGITS};
    CHECK_INT(engine_step(engine, &span, 1), 0);
    memcpy(ret, span.ret, engine_info(engine)->n_vocab * sizeof *ret);
    sequence_free(sequence);
}

static void same_model(void) {
    float expected[64], got[64];
    Engine *engine, *packed;
    Reason why = {""};
    int whole = whole_fd();
    REQUIRE(engine_open(whole, NULL, &engine, NULL) == 0);
    run(engine, expected);
    uint64_t n_parameters = engine_info(engine)->n_parameters;
    engine_free(engine);
    close(whole);
    for (uint32_t n = 1; n <= MAX_PARTS; n++) {
        int fds[MAX_PARTS], out = memfd_create("packed", MFD_CLOEXEC);
        parts_open(n, fds);
        int first = fds[0]; /* any order will do */
        fds[0] = fds[n - 1];
        fds[n - 1] = first;
        REQUIRE(engine_open_parts(fds, n, NULL, &engine, &why) == 0);
        run(engine, got);
        CHECK(memcmp(expected, got, engine_info(engine)->n_vocab * sizeof *got) == 0);
        CHECK_INT(engine_info(engine)->n_parameters, n_parameters);
        CHECK_STR(engine_info(engine)->weights, "F16");
        CHECK_INT(engine_pack_parts(fds, n, out, NULL, NULL, &why), 0);
        close_all(fds, n);
        REQUIRE(engine_open(out, NULL, &packed, &why) == 0);
        run(packed, got);
        CHECK(memcmp(expected, got, engine_info(packed)->n_vocab * sizeof *got) == 0);
        CHECK(memcmp(engine_info(packed)->fingerprint, engine_info(engine)->fingerprint, 16) == 0);
        engine_free(packed);
        engine_free(engine);
        close(out);
    }
}

static void check_refused(const int *fds, size_t n, int expected, const char *words) {
    Engine *engine;
    Reason why = {""};
    CHECK_INT(engine_open_parts(fds, n, NULL, &engine, &why), expected);
    if (!strstr(why.text, words)) test_fail(__FILE__, __LINE__, "\"%s\": %s", why.text, words);
}

static void missing_parts(void) {
    int fds[3];
    parts_open(3, fds);
    check_refused(fds, 1, -EBADMSG, "part 2 of 3 is missing");
    check_refused(fds, 1, -EBADMSG, "split over 3 files, and 1 is here");
    check_refused(fds, 2, -EBADMSG, "part 3 of 3 is missing");
    check_refused(fds + 1, 1, -EBADMSG, "part 1 of 3 is missing");
    check_refused(fds + 1, 2, -EBADMSG, "part 1 of 3 is missing");
    check_refused((int[]){fds[0], fds[2]}, 2, -EBADMSG, "part 2 of 3 is missing");
    check_refused((int[]){fds[0], fds[1], fds[0]}, 3, -EBADMSG, "part 1 of 3 is there twice");
    check_refused((int[]){fds[0], fds[1], fds[2], fds[2]}, 4, -EBADMSG,
                  "part 3 of 3 is there twice");
    int whole = whole_fd();
    check_refused((int[]){whole, whole}, 2, -EBADMSG, "no part of a model");
    check_refused((int[]){fds[0], whole, fds[2]}, 3, -EBADMSG, "no part of a model");
    check_refused(fds, 0, -EINVAL, "");
    close(whole);
    close_all(fds, 3);
}

static void parts_that_lie(void) {
    static const struct {
        struct SplitLie lie; /* of the last of three */
        int expected;
        const char *words;
    } cases[] = {
        {{.count = 4}, -EBADMSG, "different models"},
        {{.count = 2}, -EBADMSG, "it is part 3 of 2"},
        {{.no_plus_1 = 2}, -EBADMSG, "part 2 of 3 is there twice"},
        {{.no_plus_1 = 60000}, -EBADMSG, "it is part 60000 of 3"},
        {{.twice = true}, -EBADMSG, "the parts have"},
    };
    int fd = whole_fd();
    struct Gguf *file = NULL;
    REQUIRE(gguf_open(fd, &file, NULL) == 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fds[3];
        for (uint32_t k = 0; k < 3; k++)
            fds[k] = split_model_fd(file, k, 3, k == 2 ? cases[i].lie : (struct SplitLie){0});
        check_refused(fds, 3, cases[i].expected, cases[i].words);
        close_all(fds, 3);
    }
    /* counted right, and yet one of them twice */
    uint32_t n = (uint32_t)gguf_n_tensors(file);
    int fds[] = {split_model_fd(file, 0, 2, (struct SplitLie){.n_tensors = n + 1}),
                 split_model_fd(file, 1, 2, (struct SplitLie){.n_tensors = n + 1, .twice = true})};
    char words[160];
    snprintf(words, sizeof words, "the tensor '%s' appears twice", gguf_tensor_at(file, 0)->name);
    check_refused(fds, 2, -EBADMSG, words);
    close_all(fds, 2);
    gguf_free(file);
    close(fd);
}

static void damaged_part(void) {
    int fds[3];
    parts_open(3, fds);
    REQUIRE(ftruncate(fds[1], 100) == 0);
    check_refused(fds, 3, -EBADMSG, "one of 3 files: the file is truncated");
    REQUIRE(ftruncate(fds[1], 0) == 0);
    check_refused(fds, 3, -EBADMSG, "one of 3 files: the file is empty");
    close_all(fds, 3);
}

int main(void) {
    return TEST_MAIN({"the same model", same_model}, {"missing parts", missing_parts},
                     {"parts that lie", parts_that_lie}, {"a damaged part", damaged_part});
}
