/* Models that cannot be opened, and what is said of them. */
#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "engine/engine.h"
#include "gguf-writer.h"
#include "kernels/kernels.h"
#include "test.h"
#include "tiny-model.h"

static void check_refused(struct GgufWriter *writer, int error, const char *reason) {
    Engine *engine;
    Reason why = {""};
    int fd = gguf_writer_finish_fd(writer);
    CHECK_INT(engine_open(fd, NULL, &engine, &why), error);
    if (!strstr(why.text, reason)) test_fail(__FILE__, __LINE__, "\"%s\"", why.text);
    close(fd);
}

static void refuses_models(void) {
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "general.architecture", "gpt17");
    tiny_vocabulary(writer, 10);
    check_refused(writer, -ENOTSUP, "gpt17");

    writer = gguf_writer_new();
    tiny_vocabulary(writer, 10);
    check_refused(writer, -EBADMSG, "general.architecture");

    writer = gguf_writer_new();
    gguf_writer_string(writer, "general.architecture", "llama");
    tiny_vocabulary(writer, 10);
    check_refused(writer, -EBADMSG, "llama.context_length");
}

/* Each of these spoils one number of a sound model. */
static void refuses_shapes(void) {
    static const struct {
        struct TinyShape shape;
        int error;
    } cases[] = {
        {{"llama", 1, 16, 4, 3, 8, 16, 40, 8, 16}, -EBADMSG},  /* heads do not divide */
        {{"llama", 1, 2, 4, 4, 0, 16, 40, 0, 16}, -EBADMSG},   /* no dimensions for a head */
        {{"llama", 1, 16, 2, 2, 8, 16, 40, 10, 16}, -EBADMSG}, /* rotates more than there is */
        {{"llama", 1, 16, 2, 2, 8, 16, 40, 7, 16}, -EBADMSG},
        {{"llama", 1, 16, 2, 2, 8, 16, 40, 8, 0}, -EBADMSG}, /* no context */
        {{"llama", 1, 16, 2, 2, 8, 16, 40, 8, 16, .activation = "gelu"}, -ENOTSUP},
        {{"llama", 1, 16, 2, 2, 8, 16, 40, 8, 16, .rope_linear = -1}, -EBADMSG},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Engine *engine;
        Reason why = {""};
        struct TinyModel *model = tiny_model_new(&cases[i].shape);
        int fd = tiny_model_fd(model);
        int r = engine_open(fd, NULL, &engine, &why);
        if (r != cases[i].error) test_fail(__FILE__, __LINE__, "case %zu: %d", i, r);
        CHECK(why.text[0]);
        close(fd);
        tiny_model_free(model);
    }
}

/* The int32 sums of a kernel could overflow. */
static void refuses_wide_matrices(void) {
    struct TinyShape shape = {"llama", 1, 8, 1, 1, 8, MATRIX_MAX_COLS + 1, 40, 8, 16};
    struct TinyModel *model = tiny_model_new(&shape);
    Engine *engine;
    Reason why = {""};
    int fd = tiny_model_fd(model);
    CHECK_INT(engine_open(fd, NULL, &engine, &why), -EFBIG);
    CHECK(strstr(why.text, "blk.0.ffn_down.weight has 262145 columns"));
    close(fd);
    tiny_model_free(model);
}

/* Every tensor missing, or one value too short. */
static void refuses_tensors(void) {
    struct TinyShape shape = {"bitnet", 1, 16, 2, 1, 8, 24, 40, 8, 16};
    struct TinyModel *model = tiny_model_new(&shape);
    for (size_t i = 0; i < model->n_tensors; i++)
        for (int broken = 0; broken < 2; broken++) {
            Engine *engine;
            Reason why = {""};
            struct TinyTensor saved = model->tensors[i], *tensor = &model->tensors[i];
            if (broken)
                tensor->n_cols--;
            else
                snprintf(tensor->name, sizeof tensor->name, "nothing");
            int fd = tiny_model_fd(model);
            CHECK_INT(engine_open(fd, NULL, &engine, &why), -EBADMSG);
            if (!strstr(why.text, saved.name)) test_fail(__FILE__, __LINE__, "%s", why.text);
            close(fd);
            *tensor = saved;
        }
    model->tensors[3].values[2] = NAN;
    Engine *engine;
    int fd = tiny_model_fd(model);
    CHECK_INT(engine_open(fd, NULL, &engine, NULL), -EBADMSG);
    close(fd);
    tiny_model_free(model);
}

int main(void) {
    return TEST_MAIN({"unknown models are refused", refuses_models},
                     {"impossible shapes are refused", refuses_shapes},
                     {"wide matrices are refused", refuses_wide_matrices},
                     {"wrong tensors are refused", refuses_tensors});
}
