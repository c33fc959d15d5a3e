/* Who gets how much of a step: by user, by prompt, and over many steps. */
#include "test.h"

#include "worker/prompt-shares.h"

#define N_MAX 8

static void parts(void) {
    static const struct {
        const char *name;
        struct PromptShare shares[N_MAX];
        size_t n;
        uint32_t budget;
        uint32_t expected[N_MAX];
    } cases[] = {
        {"nobody", {{0, 0, 0}}, 0, 100, {0}},
        {"no room", {{1, 50, 0}}, 1, 0, {0}},
        {"one, all", {{1, 50, 0}}, 1, 100, {50}},
        {"one, a part", {{1, 500, 0}}, 1, 100, {100}},
        {"two, in halves", {{1, 500, 0}, {2, 500, 0}}, 2, 100, {50, 50}},
        {"what one leaves", {{1, 10, 0}, {2, 500, 0}, {3, 500, 0}}, 3, 100, {10, 45, 45}},
        {"what the last one leaves", {{1, 500, 0}, {2, 500, 0}, {3, 10, 0}}, 3, 100, {45, 45, 10}},
        {"by user", {{1, 500, 0}, {1, 500, 0}, {2, 500, 0}, {1, 500, 0}}, 4, 120, {40, 10, 60, 10}},
        {"the shortest of a user", {{1, 500, 0}, {1, 90, 0}}, 2, 100, {25, 75}},
        {"short ones", {{1, 6, 0}, {1, 500, 0}, {2, 30, 0}}, 3, 100, {6, 64, 30}},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct PromptShare shares[N_MAX];
        memcpy(shares, cases[k].shares, sizeof shares);
        prompt_shares_fill(shares, cases[k].n, cases[k].budget, 0);
        for (size_t i = 0; i < cases[k].n; i++)
            if (shares[i].n != cases[k].expected[i])
                test_fail(__FILE__, __LINE__, "%s: %u to the prompt %zu, expected %u",
                          cases[k].name, shares[i].n, i, cases[k].expected[i]);
    }
}

/* Fewer tokens than prompts, for any number of users: over the steps everyone gets half of his part
 * at least. */
static void turns(void) {
    for (uint32_t n_spaces = 1; n_spaces <= 4; n_spaces++)
        for (uint32_t budget = 1; budget <= 4; budget++) {
            uint32_t sums[N_MAX] = {0};
            for (unsigned turn = 0; turn < 96; turn++) {
                struct PromptShare shares[N_MAX];
                for (uint32_t i = 0; i < N_MAX; i++)
                    shares[i] = (struct PromptShare){i % n_spaces, 1000, 0};
                prompt_shares_fill(shares, N_MAX, budget, turn);
                for (uint32_t i = 0; i < N_MAX; i++) sums[i] += shares[i].n;
            }
            for (uint32_t i = 0; i < N_MAX; i++) CHECK(sums[i] >= 96 * budget / N_MAX / 2);
        }
}

int main(void) {
    return TEST_MAIN({"parts", parts}, {"turns", turns});
}
