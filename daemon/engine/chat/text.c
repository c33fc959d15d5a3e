#include "engine/chat/text.h"

#include <string.h>

#include "engine/text/unicode.h"

const struct Text TEXT_EMPTY = {.bytes = "", .trusted = true};

const struct Text *text_borrow(struct Arena *arena, const char *bytes, size_t size, bool trusted) {
    struct Text *text = arena_alloc(arena, sizeof *text);
    if (!text) return &TEXT_EMPTY;
    *text = (struct Text){.bytes = bytes, .size = size, .trusted = trusted};
    return text;
}

const struct Text *text_new(struct Arena *arena, const char *bytes, size_t size, bool trusted) {
    char *copy = arena_alloc(arena, size + 1);
    if (!copy) return &TEXT_EMPTY;
    if (size > 0) memcpy(copy, bytes, size);
    return text_borrow(arena, copy, size, trusted);
}

const struct Text *text_part(struct Arena *arena, const struct Text *text, size_t from,
                             size_t size) {
    if (from == 0 && size == text->size) return text;
    struct Text *part = arena_alloc(arena, sizeof *part);
    if (!part) return &TEXT_EMPTY;
    *part = (struct Text){.bytes = text->bytes + from,
                          .size = size,
                          .marks = text->marks ? text->marks + from : NULL,
                          .trusted = text->trusted};
    return part;
}

bool text_trusted_at(const struct Text *text, size_t at) {
    return text->marks ? text->marks[at] : text->trusted;
}

bool text_all_trusted(const struct Text *text) {
    return text->marks ? !memchr(text->marks, 0, text->size) : text->trusted;
}

bool text_equals(const struct Text *a, const struct Text *b) {
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

bool text_is(const struct Text *text, const char *literal) {
    return strlen(literal) == text->size && memcmp(text->bytes, literal, text->size) == 0;
}

int text_compare(const struct Text *a, const struct Text *b) {
    size_t size = a->size < b->size ? a->size : b->size;
    int r = memcmp(a->bytes, b->bytes, size); /* UTF-8 sorts as its code points do */
    return r ? r : a->size < b->size ? -1 : a->size > b->size;
}

size_t text_find(const struct Text *text, const struct Text *needle, size_t from) {
    if (from > text->size || needle->size > text->size - from) return TEXT_NOT_FOUND;
    const char *found = memmem(text->bytes + from, text->size - from, needle->bytes, needle->size);
    return found ? (size_t)(found - text->bytes) : TEXT_NOT_FOUND;
}

size_t text_rfind(const struct Text *text, const struct Text *needle, size_t from) {
    if (needle->size > text->size) return TEXT_NOT_FOUND;
    if (from > text->size - needle->size) from = text->size - needle->size;
    for (size_t at = from + 1; at-- > 0;)
        if (memcmp(text->bytes + at, needle->bytes, needle->size) == 0) return at;
    return TEXT_NOT_FOUND;
}

bool text_starts(const struct Text *text, const struct Text *prefix) {
    return prefix->size <= text->size && memcmp(text->bytes, prefix->bytes, prefix->size) == 0;
}

bool text_ends(const struct Text *text, const struct Text *suffix) {
    return suffix->size <= text->size &&
           memcmp(text->bytes + text->size - suffix->size, suffix->bytes, suffix->size) == 0;
}

size_t text_length(const struct Text *text) {
    size_t n = 0;
    uint32_t character;
    for (size_t at = 0; at < text->size; n++)
        at += utf8_decode(text->bytes + at, text->size - at, &character);
    return n;
}

size_t text_offset(const struct Text *text, size_t n_characters) {
    size_t at = 0;
    uint32_t character;
    for (size_t n = 0; n < n_characters && at < text->size; n++)
        at += utf8_decode(text->bytes + at, text->size - at, &character);
    return at;
}

bool character_is_space(uint32_t character) {
    if (character >= 0x1c && character <= 0x1f) return true; /* Unicode's White_Space has not */
    return character != UTF8_INVALID && unicode_class(character) == UNICODE_SPACE;
}

/* ---- Building ---- */

static bool reserve(struct TextBuilder *builder, size_t size) {
    if (builder->arena->error) return false;
    if (size <= builder->room - builder->size) return true;
    size_t room = builder->room ? 2 * builder->room : 64;
    while (room - builder->size < size) room *= 2;
    char *bytes = arena_grow(builder->arena, builder->bytes, builder->size, room);
    if (!bytes) return false;
    builder->bytes = bytes;
    builder->room = room;
    return true;
}

/* Room for marks as for bytes, those that are there marked as all of them were. */
static bool reserve_marks(struct TextBuilder *builder) {
    if (builder->marks_room == builder->room) return true;
    size_t n_marked = builder->marks ? builder->size : 0;
    uint8_t *marks = arena_grow(builder->arena, builder->marks, n_marked, builder->room);
    if (!marks) return false;
    if (!builder->marks) memset(marks, builder->trusted, builder->size);
    builder->marks = marks;
    builder->marks_room = builder->room;
    return true;
}

static bool prepare(struct TextBuilder *builder, size_t size, bool mixed, bool trusted) {
    if (size == 0 || !reserve(builder, size)) return false;
    if (builder->size == 0 && !mixed) builder->trusted = trusted;
    if (builder->marks || mixed || builder->trusted != trusted) return reserve_marks(builder);
    return true;
}

void builder_add(struct TextBuilder *builder, const char *bytes, size_t size, bool trusted) {
    if (!prepare(builder, size, false, trusted)) return;
    memcpy(builder->bytes + builder->size, bytes, size);
    if (builder->marks) memset(builder->marks + builder->size, trusted, size);
    builder->size += size;
}

void builder_add_part(struct TextBuilder *builder, const struct Text *text, size_t from,
                      size_t size) {
    if (!text->marks) {
        builder_add(builder, text->bytes + from, size, text->trusted);
        return;
    }
    if (!prepare(builder, size, true, false)) return;
    memcpy(builder->bytes + builder->size, text->bytes + from, size);
    memcpy(builder->marks + builder->size, text->marks + from, size);
    builder->size += size;
}

void builder_add_text(struct TextBuilder *builder, const struct Text *text) {
    builder_add_part(builder, text, 0, text->size);
}

void builder_add_words(struct TextBuilder *builder, const char *words, bool trusted) {
    builder_add(builder, words, strlen(words), trusted);
}

void builder_add_character(struct TextBuilder *builder, uint32_t character, bool trusted) {
    char bytes[UTF8_MAX_SIZE];
    builder_add(builder, bytes, utf8_encode(character, bytes), trusted);
}

const struct Text *builder_finish(struct TextBuilder *builder) {
    struct Text *text = arena_alloc(builder->arena, sizeof *text);
    if (!text || !builder->bytes) return &TEXT_EMPTY;
    *text = (struct Text){.bytes = builder->bytes,
                          .size = builder->size,
                          .marks = builder->marks,
                          .trusted = builder->trusted};
    return text;
}
