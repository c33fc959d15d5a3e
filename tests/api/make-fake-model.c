/*
 * Writes a model file of the family "fake" for tests in other languages.
 *
 * Usage: make-fake-model PATH [END_AFTER [DELAY_USEC [TEMPLATE]]]
 */
#include <stdio.h>
#include <stdlib.h>

#include "../worker/fake-model.h"

static uint32_t number(int argc, char **argv, int i) {
    return argc > i ? (uint32_t)strtoul(argv[i], NULL, 10) : 0;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "Usage: %s PATH [END_AFTER [DELAY_USEC [TEMPLATE]]]\n", argv[0]);
        return 64;
    }
    const struct FakeModel model = {
        .end_after = number(argc, argv, 2),
        .delay_usec = number(argc, argv, 3),
        .no_template = argc > 4 && !number(argc, argv, 4),
    };
    fake_model_write(&model, argv[1]);
    return 0;
}
