/*
 * What the CPU and the operating system offer together: an instruction set counts only when CPUID
 * reports it and XCR0 says that the kernel saves its registers. Detected at the first call, the
 * same ever after.
 */
#pragma once

#include <stdbool.h>

struct CpuFeatures {
    bool avx2;        /* AVX2, FMA and F16C */
    bool avx512;      /* F, BW, VL, DQ and VNNI */
    bool avx512_vbmi; /* two-table byte permutes */
    bool avx512_bf16;
};

const struct CpuFeatures *cpu_features(void);
