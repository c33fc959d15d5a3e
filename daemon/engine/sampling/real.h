/*
 * e^x and ln x by plain arithmetic: the C library's may round differently on another machine, and
 * the same seed and logits must give the same token everywhere. Within 1e-15 of the true value,
 * relatively; no branch inside, so that loops over them become vectors.
 */
#pragma once

#include <stdint.h>
#include <string.h>

static inline double real_from_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint64_t real_bits(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* e^x; 0 below -700, and as for 700 above it. Not for NaN. */
static inline double real_exp(double x) {
    const double log2_e = 0x1.71547652b82fep+0, ln2_high = 0x1.62e42fefa38p-1,
                 ln2_low = 0x1.ef35793c7673p-45, round = 0x1.8p52;
    double bounded = x < -700 ? -700 : x > 700 ? 700 : x;
    double shifted = bounded * log2_e + round; /* the lowest bits are the nearest integer */
    double k = shifted - round;
    double r = bounded - k * ln2_high - k * ln2_low; /* |r| < 0.35 */
    double sum = 1.0 / 6227020800;
    sum = sum * r + 1.0 / 479001600;
    sum = sum * r + 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 0.5;
    sum = sum * r + 1;
    sum = sum * r + 1;
    double power = real_from_bits((real_bits(shifted) + 1023) << 52); /* 2^k */
    return x < -700 ? 0 : sum * power;
}

/* ln x of a normal positive number. */
static inline double real_log(double x) {
    const double ln2_high = 0x1.62e42fefa38p-1, ln2_low = 0x1.ef35793c7673p-45;
    uint64_t bits = real_bits(x) + (0x3ff0000000000000 - 0x3fe6a09e667f3bcd); /* sqrt(1/2) */
    double k = (double)((int64_t)(bits >> 52) - 1023);
    double m = real_from_bits((bits & 0xfffffffffffff) + 0x3fe6a09e667f3bcd);
    double f = (m - 1) / (m + 1), s = f * f; /* ln m = 2 artanh f, |f| < 0.172 */
    double sum = 1.0 / 21;
    sum = sum * s + 1.0 / 19;
    sum = sum * s + 1.0 / 17;
    sum = sum * s + 1.0 / 15;
    sum = sum * s + 1.0 / 13;
    sum = sum * s + 1.0 / 11;
    sum = sum * s + 1.0 / 9;
    sum = sum * s + 1.0 / 7;
    sum = sum * s + 1.0 / 5;
    sum = sum * s + 1.0 / 3;
    return k * ln2_high + (2 * f + (2 * f * s * sum + k * ln2_low));
}

/* x^y for x >= 0; 0^0 is 1. */
static inline double real_power(double x, double y) {
    if (y == 0) return 1;
    return x > 0 ? real_exp(y * real_log(x)) : 0;
}
