/*
 * Prints the logits of a prompt: for tests in other languages.
 *
 *     logits MODEL [--tier NAME] [--threads N] [--chunk N] [--kv TYPE] [--context N] [--packed]
 *            [--out FILE] < TOKENS
 *
 * TOKENS are numbers. The logits after every one of them go to stdout or FILE as float32
 * [token][n_vocab], in the machine's byte order. --chunk cuts the prompt into steps of so many
 * tokens. --packed packs the model and computes with what comes of it. Ends with 77 when this CPU
 * lacks the tier, with 1 and a reason on stderr when the model cannot be opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"
#include "kernels/kernels.h"

enum { NO_TIER = 77 };

struct Arguments {
    const char *tier, *out;
    uint32_t chunk;
    bool packed;
    struct EngineOptions engine;
};

static struct Arguments read_arguments(int argc, char **argv) {
    static const struct option options[] = {
        {"tier", required_argument, NULL, 't'},    {"threads", required_argument, NULL, 'n'},
        {"chunk", required_argument, NULL, 'c'},   {"kv", required_argument, NULL, 'k'},
        {"context", required_argument, NULL, 'x'}, {"packed", no_argument, NULL, 'p'},
        {"out", required_argument, NULL, 'o'},     {0},
    };
    struct Arguments ret = {.chunk = 512, .engine = {.n_threads = 1}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) switch (option) {
        case 't':
            ret.tier = optarg;
            break;
        case 'n':
            ret.engine.n_threads = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            ret.chunk = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'k':
            ret.engine.kv_type = optarg;
            break;
        case 'x':
            ret.engine.n_ctx = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'p':
            ret.packed = true;
            break;
        case 'o':
            ret.out = optarg;
            break;
        default:
            exit(2);
        }
    return ret;
}

static const struct Kernels *find_tier(const char *name) {
    if (!name) return kernels_best();
    for (unsigned i = 0; kernels_tier(i); i++)
        if (strcmp(kernels_tier(i)->tier, name) == 0) return kernels_tier(i);
    exit(NO_TIER);
}

static Token *read_tokens(uint32_t *ret_n) {
    Token *tokens = NULL;
    int token;
    *ret_n = 0;
    while (scanf("%d", &token) == 1) {
        tokens = realloc(tokens, (*ret_n + 1) * sizeof *tokens);
        if (!tokens) abort();
        tokens[(*ret_n)++] = token;
    }
    return tokens;
}

static void fail(const char *what, int r, const char *why) {
    fprintf(stderr, "%s: %s %s\n", what, strerror(-r), why);
    exit(1);
}

static void run(Engine *engine, const Token *tokens, uint32_t n, uint32_t chunk, FILE *out) {
    const uint32_t n_vocab = engine_info(engine)->n_vocab;
    Sequence *sequence;
    int r = sequence_new(engine, &sequence);
    if (r < 0) fail("sequence", r, "");
    for (uint32_t at = 0; at < n; at += chunk) {
        uint32_t n_now = n - at < chunk ? n - at : chunk;
        struct Span span = {sequence, tokens + at, n_now, SPAN_ALL_LOGITS};
        r = engine_step(engine, &span, 1);
        if (r < 0) fail("step", r, "");
        for (uint32_t i = 0; i < n_now; i++)
            fwrite(span.ret + i * span.ret_stride, sizeof(float), n_vocab, out);
    }
    sequence_free(sequence);
}

/* The packed form of a model, which is closed. */
static int pack(int fd) {
    Reason why = {""};
    int out_fd = memfd_create("packed", MFD_CLOEXEC);
    int r = engine_pack(fd, out_fd, NULL, NULL, &why);
    if (r < 0) fail("packing", r, why.text);
    close(fd);
    return out_fd;
}

static Engine *open_engine(const char *path, const struct Arguments *arguments) {
    Engine *engine;
    Reason why = {""};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail(path, -errno, "");
    if (arguments->packed) fd = pack(fd);
    int r = engine_open(fd, &arguments->engine, &engine, &why);
    if (r != 0) fail(path, r, why.text);
    close(fd);
    return engine;
}

int main(int argc, char **argv) {
    struct Arguments arguments = read_arguments(argc, argv);
    if (optind + 1 != argc || arguments.chunk == 0) return 2;
    arguments.engine.kernels = find_tier(arguments.tier);

    Engine *engine = open_engine(argv[optind], &arguments);
    uint32_t n;
    Token *tokens = read_tokens(&n);
    FILE *out = arguments.out ? fopen(arguments.out, "wb") : stdout;
    if (!out) fail(arguments.out, -errno, "");
    run(engine, tokens, n, arguments.chunk, out);
    if (fclose(out) != 0) fail("output", -errno, "");
    free(tokens);
    engine_free(engine);
    return 0;
}
