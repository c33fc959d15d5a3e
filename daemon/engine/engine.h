/*
 * The engine: a model file in, logits out.
 *
 * An Engine is one loaded model with its packed weights, its kernels and its pool of compute
 * threads. A Sequence is the state of one conversation: what the model remembers of the tokens it
 * was given. engine_step() feeds several sequences at once and reads every weight once, however
 * many there are.
 *
 * Threads: an Engine and all its sequences belong to one thread, the caller of engine_step(); the
 * pool behind it is the engine's own affair. Errors: -errno; -ENOMEM everywhere. Nothing here logs.
 * Determinism: the logits of a sequence depend on its tokens alone: not on the other spans of the
 * step, not on how its prompt was cut into spans, not on the thread count, not on the CPU tier, bit
 * for bit. Only EngineOptions.kv_type changes them, and n_ctx those of a model with LongRoPE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/reason.h"

typedef int32_t Token;
typedef struct Engine Engine;
typedef struct Sequence Sequence;
typedef struct Tokenizer Tokenizer; /* engine/text/tokenizer.h */
struct TokenTrie;                   /* engine/sampling/token-trie.h */

/* What the file says the model is. Strings live as long as the engine. */
struct ModelInfo {
    const char *name;         /* general.name, or "" */
    const char *architecture; /* general.architecture */
    const char *family;       /* row of the architecture table: "transformer", "fake", ... */
    /* Type of most weights, as llama.cpp writes it: "TQ2_0", "F16", ...; "F16→Q8_0" where they were
     * requantised. */
    const char *weights;
    const char *chat_template; /* tokenizer.chat_template, or "" */
    uint64_t n_parameters;
    uint64_t weight_bytes; /* as packed in memory */
    uint32_t n_layers, n_embd, n_vocab;
    uint32_t n_ctx; /* most tokens a sequence may hold */
    /* What keys and values are kept as: "F32" where those of one sequence of the length that the
     * model was trained for stay small (MODEL_MAX_F32_KV in engine/limits.h), else "F16"; "" in a
     * family that has none. */
    const char *kv_type;
    /* Tells this model from others: equal for a GGUF file and what was packed from it, unless
     * something was requantised: that is another model. */
    unsigned char fingerprint[16];
};

/* What dense matrices become where a GGUF file is packed: weights as the file has them, or less
 * exact ones that take less room and are read faster. Never done unasked. Only matrices become
 * smaller: vectors, ternary matrices and RWKV's low-rank ones stay; embedding and head become Q8_0
 * at most, because 4 bits are seen in the answers there. What the numbers become is in
 * engine/quant-encode.h. */
enum Requantise {
    REQUANTISE_NOTHING,
    REQUANTISE_Q8, /* Q8_0 */
    REQUANTISE_Q4, /* Q4_0 */
};

struct EngineOptions {
    unsigned n_threads;            /* 0: one per physical core that this process may run on */
    const Engine *threads_of;      /* instead of threads of its own, those of this engine, which
                                      outlives it; the two never step at the same time */
    uint32_t n_ctx;                /* 0, or more than that: what the model was trained for */
    uint32_t max_tokens;           /* most tokens in one step over all spans; 0: 512 */
    const struct Kernels *kernels; /* kernels/kernels.h; NULL: kernels_best() */
    const char *kv_type; /* "F16", "F32" or "I8" instead of what ModelInfo says; NULL: that */
    enum Requantise requantise; /* of a GGUF file; a packed one is what it is */
};

/* A packed file that another version or for another kernel tier made: pack it again. */
enum { ENGINE_STALE = 1 };

/* Opens a GGUF file (packed in memory) or a packed file (mapped). The file is validated before
 * anything is used. `fd` stays the caller's. Fails with -EINVAL / -EBADMSG (damaged), -ENOTSUP
 * (understood, but not supported: the reason names what), -EFBIG (past a limit). Returns
 * ENGINE_STALE, with a reason and *ret unset, for a packed file that has to be made again.
 * `options` may be NULL. */
int engine_open(int fd, const struct EngineOptions *options, Engine **ret, Reason *why);
/* The same of all files of a model that is split over several, in any order. */
int engine_open_parts(const int *fds, size_t n_fds, const struct EngineOptions *options,
                      Engine **ret, Reason *why);
Engine *engine_free(Engine *engine); /* returns NULL; all sequences must be freed before */

struct EnginePackOptions {
    enum Requantise requantise;
    /* NULL, or it gets bytes done and in all, and a nonzero return cancels with -ECANCELED. */
    int (*progress)(void *userdata, uint64_t done, uint64_t total);
    void *userdata;
};

#define PACK_MAX_CHANGES 32
#define PACK_MAX_TRIALS 8
#define PACK_TRIAL_LAYOUTS 3

/* What requantising did, and what the layouts of ternary matrices were chosen by. All zero:
 * nothing. */
struct PackReport {
    struct PackTrial {
        uint32_t n_cols; /* of the matrices */
        const char *chosen;
        struct {
            const char *name;
            double speed; /* against the first one; 0: no memory for a trial */
        } layouts[PACK_TRIAL_LAYOUTS];
    } trials[PACK_MAX_TRIALS];
    unsigned n_trials;
    struct PackChange {
        const char *from, *to; /* types, as llama.cpp writes them */
        uint32_t n_matrices;
        uint64_t bytes_before, bytes_after;
        double worst_error; /* of these matrices, as below */
    } changes[PACK_MAX_CHANGES];
    unsigned n_changes;
    /* The matrix that lost most: root mean square of the changes over that of the weights. */
    double worst_error;
    char worst_name[128];
};

/* Reads a GGUF file from `fd` and writes the packed form for this CPU's best tier to `out_fd`.
 * `options` and `ret_report` may be NULL. Errors are those of engine_open(), and of writing. */
int engine_pack(int fd, int out_fd, const struct EnginePackOptions *options,
                struct PackReport *ret_report, Reason *why);
/* All files of a split model, in any order, become one packed file. */
int engine_pack_parts(const int *fds, size_t n_fds, int out_fd,
                      const struct EnginePackOptions *options, struct PackReport *ret_report,
                      Reason *why);

const struct ModelInfo *engine_info(const Engine *engine);
const Tokenizer *engine_tokenizer(const Engine *engine);
/* The tokens by their bytes, built when it is first asked for. Any thread. -ENOMEM. */
int engine_token_trie(const Engine *engine, const struct TokenTrie **ret);
unsigned engine_n_threads(const Engine *engine);
uint32_t engine_max_tokens(const Engine *engine);

enum SpanOutput {
    SPAN_NOTHING,     /* only remember the tokens */
    SPAN_LAST_LOGITS, /* logits after the last token: ret is [1][n_vocab] */
    SPAN_ALL_LOGITS,  /* logits after every token: ret is [n_tokens][n_vocab] */
    SPAN_EMBEDDINGS,  /* the final normed hidden state of every token: ret is [n_tokens][n_embd] */
};

/* Tokens to append to one sequence. A sequence may appear in one span of a step only. */
struct Span {
    Sequence *sequence;
    const Token *tokens; /* each in [0, n_vocab) */
    uint32_t n_tokens;   /* >= 1 */
    enum SpanOutput output;
    const float *ret;  /* set by the step; engine's memory, valid until the next step */
    size_t ret_stride; /* floats from one row of ret to the next */
};

/* Runs all spans together. Either all of them are appended or none (on error the sequences are as
 * before). -EINVAL: a token out of range, an empty span, a sequence twice; -EOVERFLOW: a sequence
 * would pass n_ctx; -E2BIG: more tokens than max_tokens. */
int engine_step(Engine *engine, struct Span *spans, size_t n_spans);

/* Some milliseconds of work that makes later steps faster (engine/settling.h); false: there is no
 * more. For between steps, never needed, and nothing that is computed depends on it. */
bool engine_settle(Engine *engine);

/* Calls task(userdata, i) for every i below n, shared out over the engine's threads, and returns
 * when all are done: for what follows a step, sequence by sequence. `cost`: bytes that one reads,
 * about; where all cost little they run on the caller. The tasks may not use the engine or its
 * sequences; what they write is seen after the call. */
void engine_share(const Engine *engine, uint32_t n, uint64_t cost,
                  void (*task)(void *userdata, uint32_t i), void *userdata);

/* ---- Sequences ---- */
int sequence_new(Engine *engine, Sequence **ret);
Sequence *sequence_free(Sequence *sequence); /* accepts and returns NULL */
/* A second sequence with the same past. Shares memory until one of them goes on. */
int sequence_fork(Sequence *sequence, Sequence **ret);
/* Forget all but the first n_tokens. n_tokens <= length, else -EINVAL. A recurrent family goes back
 * to a checkpoint, and the next step also computes what lies between (engine/recurrent.h). */
int sequence_truncate(Sequence *sequence, uint32_t n_tokens);
uint32_t sequence_length(const Sequence *sequence);
size_t sequence_bytes(const Sequence *sequence); /* memory held, shared parts counted in full */
/* Byte-exact: continuing after a restore gives the same logits. `*ret` is malloc()ed. May compute:
 * what a truncated sequence of a recurrent family has not computed again yet. */
int sequence_save(Sequence *sequence, void **ret, size_t *ret_size);
/* Into an empty sequence of the same model; -EBADMSG with a reason when the bytes are damaged,
 * another model's, or of another kv_type. */
int sequence_restore(Sequence *sequence, const void *data, size_t size, Reason *why);
