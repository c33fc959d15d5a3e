/* Models of real shapes, cut down to a layer and a small vocabulary: the same bytes every time, and
 * the engine opens and steps them. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/synthetic/synthetic.h"
#include "test.h"

#define N_VOCAB 300

static const char *const shapes[] = {"bitnet-2b4t",        "mamba-2.8b",      "mamba2-2.7b",
                                     "mamba-codestral-7b", "falcon-mamba-7b", "rwkv7-2.9b",
                                     "draft-350m"};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

static int model_fd(const char *shape, const char *weights) {
    const struct SyntheticOptions options = {
        .shape = shape, .weights = weights, .n_layers = 1, .n_vocab = N_VOCAB};
    Reason why = {""};
    int fd = memfd_create("synthetic.gguf", MFD_CLOEXEC);
    int r = synthetic_write(fd, &options, NULL, NULL, &why);
    if (r < 0) test_fail(__FILE__, __LINE__, "%s: %s", shape, why.text);
    return fd;
}

/* Logits that are numbers, and not all the same. */
static void check_logits(const char *shape, const float *logits) {
    float low = INFINITY, high = -INFINITY;
    for (unsigned i = 0; i < N_VOCAB; i++) {
        if (!isfinite(logits[i])) test_fail(__FILE__, __LINE__, "%s: logit %u", shape, i);
        low = fminf(low, logits[i]);
        high = fmaxf(high, logits[i]);
    }
    if (!(high - low > 0.1f && high - low < 1000))
        test_fail(__FILE__, __LINE__, "%s: logits from %g to %g", shape, (double)low, (double)high);
}

static void check_model(const char *shape, int fd) {
    static const Token tokens[] = {1, 260, 271, 40, 5, 299};
    Engine *engine;
    Sequence *sequence;
    Reason why = {""};
    int r = engine_open(fd, NULL, &engine, &why);
    if (r < 0) test_fail(__FILE__, __LINE__, "%s: %s", shape, why.text);
    REQUIRE(r == 0);
    REQUIRE(sequence_new(engine, &sequence) == 0);
    struct Span span = {sequence, tokens, sizeof tokens / sizeof *tokens, SPAN_LAST_LOGITS};
    REQUIRE(engine_step(engine, &span, 1) == 0);
    check_logits(shape, span.ret);
    sequence_free(sequence);
    engine_free(engine);
}

static void shapes_run(void) {
    for (size_t i = 0; i < N_SHAPES; i++) {
        int fd = model_fd(shapes[i], NULL);
        check_model(shapes[i], fd);
        close(fd);
    }
}

static void types_run(void) {
    static const char *const types[] = {"F16", "BF16", "Q8_0", "Q4_0", "TQ1_0", "I2_S"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        int fd = model_fd("bitnet-2b4t", types[i]);
        check_model(types[i], fd);
        close(fd);
    }
}

static void files_are_the_same(void) {
    int a = model_fd("draft-350m", NULL), b = model_fd("draft-350m", NULL);
    struct stat status;
    REQUIRE(fstat(a, &status) == 0);
    size_t size = (size_t)status.st_size;
    void *x = mmap(NULL, size, PROT_READ, MAP_SHARED, a, 0);
    void *y = mmap(NULL, size, PROT_READ, MAP_SHARED, b, 0);
    REQUIRE(x != MAP_FAILED && y != MAP_FAILED);
    CHECK(memcmp(x, y, size) == 0);
    munmap(x, size);
    munmap(y, size);
    close(a);
    close(b);
}

static int cancel(void *userdata, uint64_t done, uint64_t total) {
    CHECK(done > 0 && done <= total);
    return done > total / 2;
}

static void refuses(void) {
    const struct {
        struct SyntheticOptions options;
        const char *reason;
    } wrong[] = {
        {{.shape = "bitnet-9b"}, "bitnet-9b"},
        {{.shape = "draft-350m", .weights = "Q6_K"}, "Q6_K"},
        {{.shape = "draft-350m", .weights = "nothing"}, "nothing"},
        {{.shape = "draft-350m", .n_vocab = 10}, "vocabulary"},
        {{.shape = "draft-350m", .n_layers = 1u << 31}, "layers"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Reason why = {""};
        CHECK_INT(synthetic_write(-1, &wrong[i].options, NULL, NULL, &why), -EINVAL);
        CHECK(strstr(why.text, wrong[i].reason));
    }
    const struct SyntheticOptions options = {.shape = "draft-350m", .n_layers = 1};
    Reason why = {""};
    CHECK_INT(synthetic_write(-1, &options, NULL, NULL, &why), -EBADF);
    int fd = memfd_create("synthetic.gguf", MFD_CLOEXEC);
    CHECK_INT(synthetic_write(fd, &options, cancel, NULL, &why), -ECANCELED);
    close(fd);
}

static void largest_matrix(void) {
    uint32_t n_rows = 0, n_cols = 0;
    CHECK_INT(synthetic_largest_matrix("bitnet-7b", &n_rows, &n_cols), 0);
    CHECK(n_rows == 11008 && n_cols == 4096);
    CHECK_INT(synthetic_largest_matrix("rwkv7-2.9b", &n_rows, &n_cols), 0);
    CHECK(n_rows == 10240 && n_cols == 2560);
    CHECK_INT(synthetic_largest_matrix("bitnet-9b", &n_rows, &n_cols), -EINVAL);
}

int main(void) {
    return TEST_MAIN({"real shapes run", shapes_run}, {"with any type of weights", types_run},
                     {"the same file every time", files_are_the_same},
                     {"wrong shapes and types", refuses},
                     {"the largest matrix of a shape", largest_matrix});
}
