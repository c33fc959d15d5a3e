#include "tests/kernels/inputs.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/f16.h"
#include "tests/kernels/check.h"

static char *slot_end(enum Slot slot) {
    static char *ends[N_SLOTS];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (!ends[slot]) {
        char *map = mmap(NULL, SLOT_SIZE + page, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (map == MAP_FAILED || mprotect(map + SLOT_SIZE, page, PROT_NONE)) abort();
        ends[slot] = map + SLOT_SIZE;
    }
    return ends[slot];
}

void *guarded(enum Slot slot, size_t size) {
    if (size > SLOT_SIZE) abort();
    return memset(slot_end(slot) - size, 0xa5, size);
}

void *guarded_aligned(enum Slot slot, size_t size) {
    return guarded(slot, (size + 63) / 64 * 64);
}

uint32_t random_u32(void) {
    static uint64_t state = 0x9e3779b97f4a7c15u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

float random_float(void) {
    return (float)(int32_t)random_u32() * 0x1p-31f;
}

static const float extremes[] = {
    0.0f,     -0.0f,     0x1p-149f, -0x1p-140f, FLT_MIN, -FLT_MIN, 1e-30f, -1e-20f,
    1e-5f,    127.0f,    -128.0f,   1e10f,      -1e19f,  1e30f,    88.72f, -87.33f,
    65504.0f, -65520.0f, 0x1p-24f,  0x1p-25f,   FLT_MAX, -FLT_MAX,
};
static const float specials[] = {INFINITY, -INFINITY, NAN};

#define PICK(array) (array)[random_u32() % (sizeof(array) / sizeof *(array))]

float random_fill(enum Fill fill) {
    switch (fill) {
    case FILL_ZERO:
        return random_u32() % 2 ? 0.0f : -0.0f;
    case FILL_WIDE:
        return 100 * random_float();
    case FILL_EXTREME:
        return random_u32() % 3 ? random_float() : PICK(extremes);
    case FILL_SPECIAL:
        return random_u32() % 16 ? random_fill(FILL_EXTREME) : PICK(specials);
    default:
        return random_float();
    }
}

void fill_floats(enum Fill fill, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = random_fill(fill);
}

void fill_halves(enum Fill fill, uint16_t *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        x[i] = f16_encode(random_fill(fill));
        if (fill != FILL_SPECIAL && (x[i] & 0x7c00) == 0x7c00) x[i] &= 0x83ff;
    }
}

float *new_floats(enum Slot slot, enum Fill fill, size_t n) {
    float *x = guarded(slot, n * sizeof *x);
    fill_floats(fill, x, n);
    return x;
}

float *copy_of(enum Slot slot, const float *x, size_t n) {
    float *copy = guarded(slot, n * sizeof *x);
    if (n) memcpy(copy, x, n * sizeof *x);
    return copy;
}

const uint32_t vector_sizes[N_VECTOR_SIZES] = {
    0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 255, 256, 257, 511, 1000, 2561, 4096,
};

__attribute__((format(printf, 5, 0))) static void report(const struct Kernels *tier, size_t where,
                                                         double actual, double expected,
                                                         const char *format, va_list arguments) {
    char name[200];
    vsnprintf(name, sizeof name, format, arguments);
    check_failed("tier %s, %s: [%zu] is %.9g, expected %.9g", tier->tier, name, where, actual,
                 expected);
}

static bool same(float a, float b) {
    return f32_bits(a) == f32_bits(b) || (isnan(a) && isnan(b));
}

void check_same_floats(const struct Kernels *tier, const float *actual, const float *expected,
                       size_t n, const char *format, ...) {
    va_list arguments;
    size_t i = 0;

    while (i < n && same(actual[i], expected[i])) i++;
    if (i == n) return;
    va_start(arguments, format);
    report(tier, i, actual[i], expected[i], format, arguments);
    va_end(arguments);
}

void check_same_bytes(const struct Kernels *tier, const void *actual, const void *expected,
                      size_t size, const char *format, ...) {
    const signed char *a = actual, *e = expected;
    va_list arguments;
    size_t i = 0;

    while (i < size && a[i] == e[i]) i++;
    if (i == size) return;
    va_start(arguments, format);
    report(tier, i, a[i], e[i], format, arguments);
    va_end(arguments);
}
