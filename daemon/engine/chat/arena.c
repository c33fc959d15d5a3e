#include "engine/chat/arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 16u
#define CHUNK_SIZE 16384u

struct ArenaChunk {
    struct ArenaChunk *older;
    size_t used, room;
    _Alignas(ALIGNMENT) char bytes[];
};

static void *fail(struct Arena *arena, int error) {
    if (!arena->error) arena->error = error;
    return NULL;
}

static struct ArenaChunk *chunk_add(struct Arena *arena, size_t size) {
    /* so that what grows does not need a new chunk each time */
    size_t room = size < CHUNK_SIZE ? CHUNK_SIZE : size;
    if (room < arena->size / 8) room = arena->size / 8 / ALIGNMENT * ALIGNMENT;
    if (arena->size > arena->limit || size > arena->limit - arena->size) return fail(arena, -EFBIG);
    if (room > arena->limit - arena->size) room = size;
    struct ArenaChunk *chunk = malloc(sizeof *chunk + room);
    if (!chunk) return fail(arena, -ENOMEM);
    *chunk = (struct ArenaChunk){.older = arena->chunk, .room = room};
    arena->chunk = chunk;
    arena->size += room;
    return chunk;
}

static void *take(struct Arena *arena, size_t size) {
    if (arena->error) return NULL;
    if (size > SIZE_MAX / 4) return fail(arena, -EFBIG);
    size_t whole = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct ArenaChunk *chunk = arena->chunk;
    if (!chunk || whole > chunk->room - chunk->used) chunk = chunk_add(arena, whole);
    if (!chunk) return NULL;
    void *bytes = chunk->bytes + chunk->used;
    chunk->used += whole;
    return bytes;
}

void *arena_alloc(struct Arena *arena, size_t size) {
    void *bytes = take(arena, size);
    return bytes ? memset(bytes, 0, size) : NULL;
}

void *arena_grow(struct Arena *arena, void *old, size_t old_size, size_t size) {
    if (arena->error) return NULL;
    struct ArenaChunk *chunk = arena->chunk;
    size_t old_whole = (old_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (old && old_size > 0 && (char *)old + old_whole == chunk->bytes + chunk->used) {
        size_t start = (size_t)((char *)old - chunk->bytes);
        if (size <= chunk->room - start) {
            size_t whole = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
            chunk->used = start + whole;
            return old;
        }
    }
    void *bytes = take(arena, size);
    if (bytes && old_size > 0) memcpy(bytes, old, old_size);
    return bytes;
}

void arena_done(struct Arena *arena) {
    while (arena->chunk) {
        struct ArenaChunk *older = arena->chunk->older;
        free(arena->chunk);
        arena->chunk = older;
    }
    arena->size = 0;
}
