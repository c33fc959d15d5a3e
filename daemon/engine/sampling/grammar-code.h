/*
 * A rule of a grammar as a program: instructions with relative jumps, so that a piece can be moved
 * and repeated. What a text must look like is what a path through the program reads.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/reason.h"

enum Operation {
    OP_CHAR,   /* a character: `argument` is a state of the CharAutomaton */
    OP_TOKEN,  /* one token: `argument` is a row of the grammar's token references */
    OP_CALL,   /* what rule `argument` reads */
    OP_SPLIT,  /* goes on with the next instruction, or `argument` instructions from here */
    OP_JUMP,   /* goes on `argument` instructions from here */
    OP_RETURN, /* the rule ends */
};

struct Instruction {
    uint32_t operation;
    int32_t argument;
};

struct Code {
    struct Instruction *at;
    size_t n, room;
    size_t *budget; /* instructions that the grammar may still have; shared by all its rules */
};

void code_done(struct Code *code);
/* Writes at the end. All functions: -ENOMEM, or -E2BIG with a reason when the budget is spent. */
int code_add(struct Code *code, enum Operation operation, int32_t argument, Reason *why);
/* Writes at `place`; what is there moves. Only jumps from behind `place` to behind `place`, and
 * from before to before, may be there. */
int code_insert(struct Code *code, size_t place, enum Operation operation, int32_t argument,
                Reason *why);

#define CODE_UNBOUNDED UINT32_MAX
/* Repeats what is from `place` to the end `least` to `most` times. */
int code_repeat(struct Code *code, size_t place, uint32_t least, uint32_t most, Reason *why);
