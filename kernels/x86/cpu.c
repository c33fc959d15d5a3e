/* CPUID and XCR0. The bits are in AMD's Architecture Programmer's Manual volume 3, appendix E. */
#include "kernels/cpu.h"

#include <cpuid.h>
#include <stdatomic.h>
#include <stdint.h>

#define XCR0_AVX 0x06u    /* SSE and AVX registers */
#define XCR0_AVX512 0xe6u /* and masks, upper halves, registers 16 to 31 */

struct Leaf {
    uint32_t eax, ebx, ecx, edx;
};

static struct Leaf leaf(uint32_t number, uint32_t subleaf) {
    struct Leaf r = {0};
    __get_cpuid_count(number, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
    return r;
}

static bool has(uint32_t reg, uint32_t bits) {
    return (reg & bits) == bits;
}

/* What the operating system saves and restores; the instruction needs OSXSAVE. */
static uint32_t xcr0(void) {
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static struct CpuFeatures detect(void) {
    struct Leaf basic = leaf(1, 0), extended = leaf(7, 0), more = leaf(7, 1);
    uint32_t saved = has(basic.ecx, bit_OSXSAVE) ? xcr0() : 0;
    bool avx2 = has(saved, XCR0_AVX) && has(basic.ecx, bit_AVX | bit_FMA | bit_F16C) &&
                has(extended.ebx, bit_AVX2);
    bool avx512 = avx2 && has(saved, XCR0_AVX512) &&
                  has(extended.ebx, bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ) &&
                  has(extended.ecx, bit_AVX512VNNI);

    return (struct CpuFeatures){
        .avx2 = avx2,
        .avx512 = avx512,
        .avx512_vbmi = avx512 && has(extended.ecx, bit_AVX512VBMI),
        .avx512_bf16 = avx512 && has(more.eax, bit_AVX512BF16),
    };
}

const struct CpuFeatures *cpu_features(void) {
    enum { UNKNOWN, BUSY, KNOWN };
    static struct CpuFeatures found;
    static atomic_int state = UNKNOWN;

    while (atomic_load_explicit(&state, memory_order_acquire) != KNOWN) {
        int expected = UNKNOWN;
        if (!atomic_compare_exchange_strong(&state, &expected, BUSY)) continue;
        found = detect();
        atomic_store_explicit(&state, KNOWN, memory_order_release);
    }
    return &found;
}
