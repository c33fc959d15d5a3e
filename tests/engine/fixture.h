/* Model files with known logits below RYZEN_LLM_TEST_DATA/gguf-test: NAME.gguf and
 * EXPECTED.expected.{f32,json}. */
#pragma once

#include <stdint.h>

#include "engine/engine.h"
#include "tiny-model.h"

#define FIXTURE_MAX_TOKENS 64

struct Fixture {
    int fd; /* the model */
    Token tokens[FIXTURE_MAX_TOKENS], greedy[FIXTURE_MAX_TOKENS];
    uint32_t n_tokens, n_greedy, n_vocab;
    float *logits; /* [n_tokens][n_vocab] */
};

/* 0, or -1 after test_skip(). */
int fixture_open(const char *name, const char *expected, struct Fixture *ret);
/* The same model for tiny_model_logits(). NULL: cannot be read. */
struct TinyModel *fixture_model(const struct Fixture *fixture);
void fixture_close(struct Fixture *fixture);

/* How many tokens of the expected greedy continuation come out, after a prompt that the sequence
 * holds and whose last logits are `logits`. */
uint32_t fixture_greedy_agreement(const struct Fixture *fixture, Engine *engine, Sequence *sequence,
                                  const float *logits);

/* A model file that is refused, with a reason that names what is wrong. Closes `fd`. */
void check_refused_file(int fd, const char *expected);
