#include "engine/sampling/grammar-code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"

void code_done(struct Code *code) {
    free(code->at);
    code->at = NULL;
    code->n = code->room = 0;
}

static int code_reserve(struct Code *code, size_t n, Reason *why) {
    if (n > *code->budget)
        return reason_set(why, E2BIG,
                          "the grammar is too large: it has more than %u places, with all "
                          "repetitions written out",
                          GRAMMAR_MAX_INSTRUCTIONS);
    *code->budget -= n;
    if (code->n + n <= code->room) return 0;
    size_t room = code->room ? 2 * code->room : 16;
    if (room < code->n + n) room = code->n + n;
    struct Instruction *grown = realloc(code->at, room * sizeof *grown);
    if (!grown) return reason_set(why, ENOMEM, "out of memory");
    code->at = grown;
    code->room = room;
    return 0;
}

int code_add(struct Code *code, enum Operation operation, int32_t argument, Reason *why) {
    int r = code_reserve(code, 1, why);
    if (r == 0) code->at[code->n++] = (struct Instruction){operation, argument};
    return r;
}

int code_insert(struct Code *code, size_t place, enum Operation operation, int32_t argument,
                Reason *why) {
    int r = code_add(code, operation, argument, why);
    if (r < 0) return r;
    struct Instruction new = code->at[code->n - 1];
    memmove(code->at + place + 1, code->at + place, (code->n - 1 - place) * sizeof *code->at);
    code->at[place] = new;
    return 0;
}

static void code_append(struct Code *code, const struct Instruction *piece, size_t n) {
    if (n > 0) memcpy(code->at + code->n, piece, n * sizeof *piece);
    code->n += n;
}

static void code_put(struct Code *code, enum Operation operation, size_t distance) {
    code->at[code->n++] = (struct Instruction){operation, (int32_t)distance};
}

/* L: SPLIT end; piece; JUMP L; end: */
static void put_any(struct Code *code, const struct Instruction *piece, size_t n) {
    code_put(code, OP_SPLIT, n + 2);
    code_append(code, piece, n);
    code_put(code, OP_JUMP, 0);
    code->at[code->n - 1].argument = -(int32_t)(n + 1);
}

/* (piece (piece (...)?)?)?: each may end it all, so that there are not many ways to read one text
 */
static void put_up_to(struct Code *code, const struct Instruction *piece, size_t n,
                      uint32_t times) {
    for (uint32_t i = 0; i < times; i++) {
        code_put(code, OP_SPLIT, (size_t)(times - i) * (n + 1));
        code_append(code, piece, n);
    }
}

int code_repeat(struct Code *code, size_t place, uint32_t least, uint32_t most, Reason *why) {
    size_t n = code->n - place;
    size_t tail = most == CODE_UNBOUNDED ? n + 2 : (size_t)(most - least) * (n + 1);
    size_t new = (size_t)least *n + tail;
    struct Instruction *piece = malloc((n ? n : 1) * sizeof *piece);
    if (!piece) return reason_set(why, ENOMEM, "out of memory");
    if (n > 0) memcpy(piece, code->at + place, n * sizeof *piece);

    code->n = place;
    *code->budget += n;
    int r = code_reserve(code, new, why);
    for (uint32_t i = 0; r == 0 && i < least; i++) code_append(code, piece, n);
    if (r == 0 && most == CODE_UNBOUNDED)
        put_any(code, piece, n);
    else if (r == 0)
        put_up_to(code, piece, n, most - least);
    free(piece);
    return r;
}
