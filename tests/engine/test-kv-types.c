/*
 * What it costs to keep keys and values as halves or as bytes, measured against floats: along the
 * text that floats write, how far logits and next-token distributions are off, and how much of the
 * text another type writes too. daemon/engine/kv.h has the numbers.
 *
 *     test-kv-types                     bounds, as a test
 *     test-kv-types MODEL PROMPT...     the numbers of a GGUF file
 */
#include <fcntl.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/text/tokenizer.h"
#include "test.h"

#define N_GREEDY 96u

/* A model with one type of keys and values, and a text that goes on. */
struct Writer {
    Engine *engine;
    Sequence *sequence;
    uint32_t n_vocab;
};

struct Error {
    uint32_t n;         /* positions compared */
    uint32_t n_same;    /* of them with the same best token */
    uint32_t n_greedy;  /* tokens until the texts part, over all prompts */
    double logit;       /* the largest difference of a logit */
    double kl, most_kl; /* from the distribution with floats, in nats: sum, largest */
    double spread;      /* of logits: sum of their standard deviations */
};

static int writer_open(struct Writer *writer, const char *path, const char *kv_type) {
    Reason why = {""};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    const struct EngineOptions options = {.n_threads = 1, .kv_type = kv_type};
    *writer = (struct Writer){0};
    int r = fd < 0 ? -1 : engine_open(fd, &options, &writer->engine, &why);
    if (fd >= 0) close(fd);
    if (r != 0) {
        test_fail(__FILE__, __LINE__, "%s: %s", path, why.text);
        return -1;
    }
    writer->n_vocab = engine_info(writer->engine)->n_vocab;
    return sequence_new(writer->engine, &writer->sequence);
}

static void writer_close(struct Writer *writer) {
    sequence_free(writer->sequence);
    engine_free(writer->engine);
}

/* Logits after the tokens; the engine's memory. */
static const float *writer_read(struct Writer *writer, const Token *tokens, uint32_t n) {
    struct Span span = {writer->sequence, tokens, n, SPAN_LAST_LOGITS};
    if (engine_step(writer->engine, &span, 1) != 0) abort();
    return span.ret;
}

static Token best(const float *logits, uint32_t n) {
    uint32_t token = 0;
    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > logits[token]) token = i;
    return (Token)token;
}

/* log of the sum of exp(logits) */
static double log_sum(const float *logits, uint32_t n) {
    double most = logits[best(logits, n)], sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += exp((double)logits[i] - most);
    return most + log(sum);
}

static double deviation(const float *logits, uint32_t n) {
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += (double)logits[i];
        squares += (double)logits[i] * (double)logits[i];
    }
    return sqrt(fmax(squares / n - sum / n * (sum / n), 0));
}

static void compare(const float *exact, const float *other, uint32_t n, struct Error *error) {
    const double exact_sum = log_sum(exact, n), other_sum = log_sum(other, n);
    double kl = 0;
    for (uint32_t i = 0; i < n; i++) {
        const double p = (double)exact[i] - exact_sum, q = (double)other[i] - other_sum;
        error->logit = fmax(error->logit, fabs((double)exact[i] - (double)other[i]));
        kl += exp(p) * (p - q);
    }
    error->n++;
    error->n_same += best(exact, n) == best(other, n);
    error->kl += kl;
    error->most_kl = fmax(error->most_kl, kl);
    error->spread += deviation(exact, n);
}

/* Both read the prompt and the text that `exact` writes. */
static void along_text(struct Writer *exact, struct Writer *other, const Token *prompt, uint32_t n,
                       struct Error *error) {
    bool together = true;
    const float *a = writer_read(exact, prompt, n), *b = writer_read(other, prompt, n);
    for (uint32_t i = 0;; i++) {
        const Token token = best(a, exact->n_vocab);
        compare(a, b, exact->n_vocab, error);
        together &= token == best(b, exact->n_vocab);
        error->n_greedy += together;
        if (i + 1 == N_GREEDY) return;
        a = writer_read(exact, &token, 1);
        b = writer_read(other, &token, 1);
    }
}

/* 0, or -1 when the model cannot be opened. */
static int measure(const char *path, const char *kv_type, const char *const *prompts,
                   struct Error *ret) {
    struct Writer exact, other;
    *ret = (struct Error){0};
    int r = writer_open(&exact, path, "F32");
    if (r == 0) {
        r = writer_open(&other, path, kv_type);
        for (; r == 0 && *prompts; prompts++) {
            Token *tokens;
            size_t n;
            if (tokenizer_encode(engine_tokenizer(exact.engine), *prompts, strlen(*prompts),
                                 TOKENIZE_BOS, &tokens, &n) < 0)
                abort();
            if (n > 0) along_text(&exact, &other, tokens, (uint32_t)n, ret);
            free(tokens);
            sequence_truncate(exact.sequence, 0);
            sequence_truncate(other.sequence, 0);
        }
        writer_close(&other);
    }
    writer_close(&exact);
    return r;
}

static void print(const char *name, const char *kv_type, const struct Error *e) {
    printf("# %s, %s: logits of spread %.2f off by %.2g at most, KL %.2g on average and %.2g at "
           "most, same best token at %u of %u, same text for %u\n",
           name, kv_type, e->spread / e->n, e->logit, e->kl / e->n, e->most_kl, e->n_same, e->n,
           e->n_greedy);
}

/* ---- As a test ---- */

struct Bounds {
    const char *kv_type;
    double logit, kl; /* kl: on average */
    double same;      /* share of the positions with the same best token */
};

static void check(const char *path, const char *const *prompts, const struct Bounds *bounds) {
    struct Error error;
    if (measure(path, bounds->kv_type, prompts, &error) < 0) return;
    print(strrchr(path, '/') + 1, bounds->kv_type, &error);
    CHECK(error.logit > 0); /* else nothing was compared */
    CHECK(error.logit <= bounds->logit);
    CHECK(error.kl / error.n <= bounds->kl);
    CHECK(error.n_same >= bounds->same * error.n);
}

static void check_fixture(const char *name, const struct Bounds *f16, const struct Bounds *i8) {
    static const char *const prompts[] = {"Once upon a time", "Lily", "The dog and the",
                                          "One day, a boy", NULL};
    char *path = test_data(name);
    if (!path) return;
    check(path, prompts, f16);
    check(path, prompts, i8);
    free(path);
}

static void stories(void) {
    check_fixture("gguf-test/stories260K-f32.gguf", &(struct Bounds){"F16", 0.05, 1e-5, 0.99},
                  &(struct Bounds){"I8", 1.5, 3e-3, 0.97});
}

static void bitnet(void) {
    check_fixture("gguf-test/bitnet-b1.58-tiny-tq2_0.gguf",
                  &(struct Bounds){"F16", 0.3, 1e-3, 0.98}, &(struct Bounds){"I8", 1, 2e-3, 0.97});
}

static void shipped(void) {
    static const char *const prompts[] = {"extract a tar archive", "how much disk space is left",
                                          "list all files", "what is my IP address", NULL};
    check(DEFAULT_MODEL, prompts, &(struct Bounds){"F16", 0.6, 1e-3, 0.98});
    check(DEFAULT_MODEL, prompts, &(struct Bounds){"I8", 1, 2e-3, 0.97});
}

int main(int argc, char **argv) {
    if (argc < 2)
        return TEST_MAIN({"stories260K", stories}, {"a tiny BitNet", bitnet},
                         {"the model that is shipped", shipped});
    static const char *const types[] = {"F16", "I8"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct Error error;
        if (measure(argv[1], types[i], (const char *const *)argv + 2, &error) < 0) return 1;
        print(argv[1], types[i], &error);
    }
    return 0;
}
