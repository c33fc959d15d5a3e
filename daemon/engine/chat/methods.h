/* What methods of strings do, for the filters that do the same. */
#pragma once

#include "engine/chat/run.h"

enum Side { SIDE_LEFT = 1, SIDE_RIGHT = 2, SIDE_BOTH = 3 };

/* `characters`: those to take off, NULL: white space. */
const struct Text *text_strip(struct Run *run, const struct Text *text,
                              const struct Text *characters, enum Side side);
/* n_max < 0: all. */
const struct Text *text_replace(struct Run *run, const struct Text *text, const struct Text *old,
                                const struct Text *new, int64_t n_max);
const struct Text *text_cased(struct Run *run, const struct Text *text, bool upper);
const struct Text *text_capitalized(struct Run *run, const struct Text *text);
/* A list of strings; the newlines stay with `keep`. */
struct List *text_split_lines(struct Run *run, const struct Text *text, bool keep);
