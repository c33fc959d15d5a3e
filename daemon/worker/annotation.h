/*
 * What is to be said about each token of an answer, kept until the text that belongs to it may be
 * said: characters may come in pieces, and what could become a stop string is held back.
 *
 * Positions are bytes of the answer's text before stop strings were taken out. A token goes out
 * with the first of its text; one that has no text (a part of a character), with what follows. A
 * token none of whose text goes out, since a stop string was there, is not told.
 */
#pragma once

#include <glib.h>

#include "engine/sampling/logprobs.h"

typedef struct Annotations Annotations;

/* `n_top` alternatives of each token; `tokenizer` must outlive it. */
Annotations *annotations_new(const Tokenizer *tokenizer, unsigned n_top);
void annotations_free(Annotations *self); /* accepts NULL */

/* A token was drawn from these logits ([n_vocab]); its text begins at `start`. */
void annotations_add(Annotations *self, const float *logits, uint32_t n_vocab, Token token,
                     guint64 start);
/* Appends events of text that goes out now, with the tokens that belong to it. */
void annotations_say(Annotations *self, const char *text, gsize size, GString *lines);
/* All text has gone out: what is left has none. */
void annotations_finish(Annotations *self, GString *lines);
