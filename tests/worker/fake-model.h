/*
 * Model files of the family "fake" (daemon/engine/fake.c) for tests of the worker: every letter a
 * token, spaces, newlines, whole and half characters, a chat template.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct FakeModel {
    uint32_t n_ctx;                 /* 0: 4096 */
    uint32_t end_after;             /* end of text at this length; 0: never */
    uint32_t delay_usec, step_usec; /* what a token costs, and a step besides */
    uint32_t window;                /* of the past, in tokens; 0: all of it */
    uint32_t rewind_step;           /* goes back to multiples of this only; 0: anywhere */
    bool no_template;
};

/* The file as an open descriptor. */
int fake_model_open(const struct FakeModel *model);
/* The file at `path`; aborts when it cannot be written. */
void fake_model_write(const struct FakeModel *model, const char *path);
