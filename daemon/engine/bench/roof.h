/*
 * The roofline (Williams, Waterman, Patterson, CACM 2009): what a piece of work takes at least.
 *
 * Work is bytes to be read from memory and operations to be done on bytes and on floats (a
 * multiply-add counts as two); a roof is what so many threads of this machine do of each in a
 * second. Memory is read while units multiply, so the larger of the two times is the least time;
 * the two kinds of operations share their units, so theirs add up.
 */
#pragma once

struct Work {
    double bytes, i8_operations, f32_operations;
};

struct Roof {
    double bytes, i8_operations, f32_operations; /* a second */
};

static inline double roof_memory_seconds(const struct Roof *roof, const struct Work *work) {
    return work->bytes / roof->bytes;
}

static inline double roof_compute_seconds(const struct Roof *roof, const struct Work *work) {
    return work->i8_operations / roof->i8_operations + work->f32_operations / roof->f32_operations;
}

static inline double roof_seconds(const struct Roof *roof, const struct Work *work) {
    const double memory = roof_memory_seconds(roof, work);
    const double compute = roof_compute_seconds(roof, work);
    return memory > compute ? memory : compute;
}
