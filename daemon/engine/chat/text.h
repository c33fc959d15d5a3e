/*
 * Strings of a template: UTF-8 of which every byte is known to come from the template (trusted: it
 * may name control tokens) or from the caller (it never may). Whatever is made of a string keeps
 * that, byte by byte. Texts are immutable and live in an arena; as everywhere with arenas, failure
 * shows in the arena's `error`, and the empty text is returned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/chat/arena.h"

struct Text {
    const char *bytes; /* not NUL-terminated */
    size_t size;
    const uint8_t *marks; /* one a byte, 1 is trusted; NULL: all are as `trusted` says */
    bool trusted;
};

#define TEXT_NOT_FOUND SIZE_MAX
/* For "%.*s" in messages. */
#define TEXT_SHOWN(text) (int)((text)->size < 64 ? (text)->size : 64), (text)->bytes

extern const struct Text TEXT_EMPTY;

/* Copies. */
const struct Text *text_new(struct Arena *arena, const char *bytes, size_t size, bool trusted);
/* Of bytes that live as long as the arena. */
const struct Text *text_borrow(struct Arena *arena, const char *bytes, size_t size, bool trusted);
/* Shares the bytes. */
const struct Text *text_part(struct Arena *arena, const struct Text *text, size_t from,
                             size_t size);

bool text_trusted_at(const struct Text *text, size_t at);
bool text_all_trusted(const struct Text *text);
bool text_equals(const struct Text *a, const struct Text *b);
bool text_is(const struct Text *text, const char *literal);
int text_compare(const struct Text *a, const struct Text *b); /* by code points */
/* Offsets in bytes; TEXT_NOT_FOUND. text_rfind() finds the last one that starts at or before
 * `from`. */
size_t text_find(const struct Text *text, const struct Text *needle, size_t from);
size_t text_rfind(const struct Text *text, const struct Text *needle, size_t from);
bool text_starts(const struct Text *text, const struct Text *prefix);
bool text_ends(const struct Text *text, const struct Text *suffix);

/* In characters. Bytes that are no UTF-8 count as one each. */
size_t text_length(const struct Text *text);
/* The offset of a character, or the size when there are fewer. */
size_t text_offset(const struct Text *text, size_t n_characters);
/* Python's str.isspace() of one character. */
bool character_is_space(uint32_t character);

/* ---- Building ---- */

struct TextBuilder {
    struct Arena *arena;
    char *bytes;
    uint8_t *marks; /* once there are bytes of both kinds */
    size_t size, room, marks_room;
    bool trusted;
};

void builder_add(struct TextBuilder *builder, const char *bytes, size_t size, bool trusted);
void builder_add_text(struct TextBuilder *builder, const struct Text *text);
void builder_add_part(struct TextBuilder *builder, const struct Text *text, size_t from,
                      size_t size);
void builder_add_words(struct TextBuilder *builder, const char *words, bool trusted);
void builder_add_character(struct TextBuilder *builder, uint32_t character, bool trusted);
/* The builder must not be used afterwards. */
const struct Text *builder_finish(struct TextBuilder *builder);
