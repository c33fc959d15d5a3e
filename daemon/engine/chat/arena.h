/*
 * Memory that is given back all at once: what a template is parsed into, and the values of one
 * rendering. Nothing in it is freed alone, so whatever points into it lives as long as it does.
 *
 * Errors stick: after a failure every request gives NULL, and `error` says why. Those who build
 * values look at it once, at the end.
 */
#pragma once

#include <stddef.h>

struct ArenaChunk;

struct Arena {
    struct ArenaChunk *chunk; /* the newest */
    size_t size, limit;       /* bytes: of all chunks, and the most */
    int error;                /* -ENOMEM; -EFBIG: past the limit; -ELOOP: values nest too deep */
};

/* A zeroed Arena with a limit is a sound one. */
void arena_done(struct Arena *arena); /* frees all of it */

/* Zeroed, aligned for any type. */
void *arena_alloc(struct Arena *arena, size_t size);
/* `old` (may be NULL) with more room; its bytes stay, the rest is not zeroed. What was given last
 * grows where it is. */
void *arena_grow(struct Arena *arena, void *old, size_t old_size, size_t size);
