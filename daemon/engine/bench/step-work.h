/*
 * What a step of a model has to read and to multiply at least.
 */
#pragma once

#include <stddef.h>

#include "engine/bench/roof.h"
#include "engine/engine.h"

/* All weights are read once, but for those that embed tokens, and what the sequences remember
 * (`state_bytes`); they are multiplied for n_rows tokens, the head for n_logits of them. Attention,
 * scans and what lies between the matrices is not counted. */
struct Work step_work(const Engine *engine, unsigned n_rows, unsigned n_logits, double state_bytes);

/* How the weights are held, for people: "Q8_0", "TQ2_0 as T1_6, head F16". */
void step_weights(const Engine *engine, char *ret, size_t size);
#define STEP_WEIGHTS_SIZE 64u
