/*
 * A vocabulary for models that have none: SentencePiece-like, of unknown, begin, end, the 256
 * bytes, and words that stand for nothing. Any text becomes bytes, and any token text.
 */
#pragma once

#include <stdint.h>

#include "engine/synthetic/gguf-writer.h"

#define SYNTHETIC_MIN_TOKENS 259u

/* All keys of tokenizer.ggml. n_tokens >= SYNTHETIC_MIN_TOKENS. -ENOMEM. */
int synthetic_vocabulary(GgufWriter *writer, uint32_t n_tokens);
