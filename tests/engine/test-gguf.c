/* Files written here, sound and hostile. Damaged ones are parsed from a heap block of exactly their
 * size, so that a sanitizer sees every byte read too far. */
#include "engine/gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "gguf-writer.h"
#include "test.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static void write_keys(struct GgufWriter *writer) {
    static const char *const WORDS[] = {"one", "", "three"};
    gguf_writer_string(writer, "general.architecture", "llama");
    gguf_writer_u32(writer, "a.u32", UINT32_MAX);
    gguf_writer_raw(writer, "a.i8", GGUF_I8, &(int8_t){-1}, 1);
    gguf_writer_raw(writer, "a.u64", GGUF_U64, &(uint64_t){7}, 8);
    gguf_writer_raw(writer, "a.big", GGUF_U64, &(uint64_t){UINT64_MAX}, 8);
    gguf_writer_raw(writer, "a.u16", GGUF_U16, &(uint16_t){65535}, 2);
    gguf_writer_f32(writer, "a.f32", 1.5f);
    gguf_writer_raw(writer, "a.f64", GGUF_F64, &(double){2.5}, 8);
    gguf_writer_f32(writer, "a.nan", NAN);
    gguf_writer_bool(writer, "a.bool", true);
    gguf_writer_raw(writer, "a.maybe", GGUF_BOOL, &(uint8_t){2}, 1);
    gguf_writer_strings(writer, "a.words", WORDS, N_OF(WORDS));
    gguf_writer_i32s(writer, "a.i32s", (const int32_t[]){-5, 6}, 2);
    gguf_writer_f32s(writer, "a.f32s", (const float[]){0.25f, -8}, 2);
}

static void write_tensors(struct GgufWriter *writer) {
    static const float VALUES[6] = {1, 2, 3, 4, 5, 6};
    gguf_writer_tensor(writer, "small.weight", QUANT_F32, 2, (const uint64_t[]){3, 2}, VALUES,
                       sizeof VALUES);
    gguf_writer_tensor(writer, "ternary.weight", QUANT_I2_S, 2, (const uint64_t[]){128, 2}, NULL,
                       256 / 4 + 32);
    gguf_writer_tensor(writer, "strange.weight", 10, 1, (const uint64_t[]){256}, NULL, 84);
}

static void *sound_file(size_t *ret_size) {
    struct GgufWriter *writer = gguf_writer_new();
    write_keys(writer);
    write_tensors(writer);
    return gguf_writer_finish(writer, ret_size);
}

/* ---- Sound files ---- */

static void reads_scalars(void) {
    size_t size;
    void *data = sound_file(&size);
    struct Gguf *file = NULL;
    Reason why = {0};
    REQUIRE(gguf_parse(data, size, &file, &why) == 0);

    uint32_t n = 3;
    CHECK_INT(gguf_get_u32(file, "a.u32", &n, &why), 0);
    CHECK_INT(n, UINT32_MAX);
    CHECK_INT(gguf_get_u32(file, "a.u64", &n, &why), 0);
    CHECK_INT(n, 7);
    CHECK_INT(gguf_get_u32(file, "a.u16", &n, &why), 0);
    CHECK_INT(n, 65535);
    CHECK_INT(gguf_get_u32(file, "none", &n, &why), GGUF_ABSENT);
    CHECK_INT(n, 65535); /* left alone */
    CHECK_INT(gguf_get_u32(file, "a.i8", &n, &why), -EBADMSG);
    CHECK(strstr(why.text, "'a.i8'") && strstr(why.text, "range"));
    CHECK_INT(gguf_get_u32(file, "a.big", &n, &why), -EBADMSG);
    CHECK_INT(gguf_get_u32(file, "a.f32", &n, &why), -EBADMSG);
    CHECK_STR(why.text, "the key 'a.f32' is of type f32 where an integer is expected");
    CHECK_INT(gguf_require(GGUF_ABSENT, "x.y", &why), -EBADMSG);
    CHECK_STR(why.text, "the key 'x.y' is missing");
    CHECK_INT(gguf_require(0, "x.y", &why), 0);

    float value;
    CHECK_INT(gguf_get_f32(file, "a.f32", &value, &why), 0);
    CHECK_NEAR(value, 1.5, 0);
    CHECK_INT(gguf_get_f32(file, "a.f64", &value, &why), 0);
    CHECK_NEAR(value, 2.5, 0);
    CHECK_INT(gguf_get_f32(file, "a.nan", &value, &why), -EBADMSG);
    CHECK(strstr(why.text, "'a.nan'") && strstr(why.text, "finite"));

    bool flag = false;
    CHECK_INT(gguf_get_bool(file, "a.bool", &flag, &why), 0);
    CHECK(flag);
    CHECK_INT(gguf_get_bool(file, "a.maybe", &flag, &why), -EBADMSG);

    struct GgufString string;
    CHECK_INT(gguf_get_string(file, "general.architecture", &string, &why), 0);
    CHECK(gguf_string_is(string, "llama") && !gguf_string_is(string, "llam"));
    CHECK_INT(gguf_get_string(file, "a.u32", &string, &why), -EBADMSG);
    gguf_free(file);
    free(data);
}

static void reads_arrays(void) {
    size_t size;
    void *data = sound_file(&size);
    struct Gguf *file = NULL;
    Reason why = {0};
    REQUIRE(gguf_parse(data, size, &file, &why) == 0);
    struct GgufArray array;
    struct GgufString string;
    CHECK_INT(gguf_get_strings(file, "a.words", &array, &why), 0);
    CHECK_INT(array.n, 3);
    CHECK(gguf_array_next(&array, &string) && gguf_string_is(string, "one"));
    CHECK(gguf_array_next(&array, &string) && gguf_string_is(string, ""));
    CHECK(gguf_array_next(&array, &string) && gguf_string_is(string, "three"));
    CHECK(!gguf_array_next(&array, &string));
    CHECK_INT(gguf_get_integers(file, "a.i32s", &array, &why), 0);
    CHECK_INT(gguf_array_integer(&array, 0), -5);
    CHECK_INT(gguf_array_integer(&array, 1), 6);
    CHECK_INT(gguf_get_floats(file, "a.f32s", &array, &why), 0);
    CHECK_NEAR(gguf_array_float(&array, 1), -8, 0);
    CHECK_INT(gguf_get_floats(file, "a.i32s", &array, &why), -EBADMSG);
    CHECK_STR(why.text, "the key 'a.i32s' is an array of i32 where floats are expected");
    CHECK_INT(gguf_get_strings(file, "a.u32", &array, &why), -EBADMSG);
    gguf_free(file);
    free(data);
}

static void reads_tensors(void) {
    size_t size;
    void *data = sound_file(&size);
    struct Gguf *file = NULL;
    struct QuantMatrix matrix;
    Reason why = {0};
    REQUIRE(gguf_parse(data, size, &file, &why) == 0);
    CHECK_INT(gguf_n_tensors(file), 3);
    const struct GgufTensor *tensor = gguf_tensor(file, "small.weight");
    REQUIRE(tensor && tensor == gguf_tensor_at(file, 0));
    CHECK_INT(tensor->n_dims, 2);
    CHECK_INT(tensor->n_elements, 6);
    CHECK_INT(tensor->dims[1], 2);
    CHECK_INT(tensor->dims[3], 1);
    CHECK_INT(tensor->size, 24);
    CHECK_INT(gguf_matrix(tensor, &matrix, &why), 0);
    CHECK_INT(matrix.n_cols, 3);
    CHECK_INT(matrix.n_rows, 2);
    float row[3];
    quant_rows(&matrix, 1, 1, row, 3);
    CHECK_NEAR(row[2], 6, 0);
    CHECK_INT(gguf_tensor(file, "ternary.weight")->size, 256 / 4 + 32);
    CHECK(!gguf_tensor(file, "none"));
    tensor = gguf_tensor(file, "strange.weight");
    REQUIRE(tensor);
    CHECK(!tensor->type && !tensor->data);
    CHECK_INT(gguf_matrix(tensor, &matrix, &why), -ENOTSUP);
    CHECK_STR(why.text, "the tensor 'strange.weight' is of type Q2_K (10), which is not supported: "
                        "convert the model to Q8_0 or F16");
    gguf_free(file);
    free(data);
}

static void maps_files(void) {
    struct GgufWriter *writer = gguf_writer_new();
    struct Gguf *file = NULL;
    Reason why = {0};
    uint32_t value = 0;
    gguf_writer_u32(writer, "a", 5);
    int fd = gguf_writer_finish_fd(writer);
    CHECK_INT(gguf_open(fd, &file, &why), 0);
    close(fd);
    CHECK_INT(gguf_get_u32(file, "a", &value, &why), 0);
    CHECK_INT(value, 5);
    file = gguf_free(file);
    CHECK(!file);

    fd = open("/", O_RDONLY | O_CLOEXEC);
    CHECK_INT(gguf_open(fd, &file, &why), -EINVAL);
    CHECK(strstr(why.text, "regular"));
    close(fd);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_INT(gguf_open(fd, &file, &why), -EINVAL);
    close(fd);
    CHECK_INT(gguf_open(-1, &file, &why), -EBADF);
    char path[] = "/tmp/test-gguf-XXXXXX";
    fd = mkstemp(path);
    unlink(path);
    CHECK_INT(gguf_open(fd, &file, &why), -EBADMSG);
    CHECK_STR(why.text, "the file is empty");
    close(fd);
}

static void quotes_foreign_words(void) {
    CHECK_STR(gguf_printable((struct GgufString){"a\n\xff"
                                                 "b",
                                                 4})
                  .text,
              "a??b");
    char long_text[200];
    memset(long_text, 'x', sizeof long_text);
    struct GgufPrintable printable = gguf_printable((struct GgufString){long_text, 200});
    CHECK_INT(strlen(printable.text), 63);
    CHECK_STR(printable.text + 60, "...");
}

/* ---- Hostile files ---- */

/* Parses a copy that ends where the file does. */
static int parse_copy(const void *data, size_t size, Reason *why) {
    void *copy = malloc(size ? size : 1);
    struct Gguf *file = NULL;
    memcpy(copy, data, size);
    *why = (Reason){0};
    int r = gguf_parse(copy, size, &file, why);
    CHECK((r == 0) == (file != NULL));
    if (r < 0) CHECK(why->text[0]);
    gguf_free(file);
    free(copy);
    return r;
}

static void check_bytes_refused(const void *data, size_t size, int expected, const char *words) {
    Reason why;
    CHECK_INT(parse_copy(data, size, &why), expected);
    if (!strstr(why.text, words))
        test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", why.text, words);
}

static void check_refused(struct GgufWriter *writer, int expected, const char *words) {
    size_t size;
    void *data = gguf_writer_finish(writer, &size);
    check_bytes_refused(data, size, expected, words);
    free(data);
}

static void refuses_every_truncation(void) {
    struct GgufWriter *writer = gguf_writer_new();
    size_t size;
    write_keys(writer);
    gguf_writer_tensor(writer, "w", QUANT_F32, 1, (const uint64_t[]){4}, NULL, 16);
    uint8_t *data = gguf_writer_finish(writer, &size);
    Reason why;
    CHECK_INT(parse_copy(data, size, &why), 0);
    for (size_t n = 0; n < size; n++) {
        CHECK_INT(parse_copy(data, n, &why), -EBADMSG);
        CHECK(strstr(why.text, n < 4 ? "not a GGUF file" : "truncated"));
    }
    free(data);
}

/* Whatever one byte becomes: an answer, and with a refusal a reason. */
static void survives_every_changed_byte(void) {
    static const uint8_t VALUES[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    size_t size;
    uint8_t *data = sound_file(&size);
    Reason why;
    for (size_t i = 0; i < size; i++) {
        uint8_t old = data[i];
        for (size_t j = 0; j < N_OF(VALUES); j++) {
            data[i] = VALUES[j];
            (void)parse_copy(data, size, &why);
        }
        data[i] = old;
    }
    free(data);
}

static void refuses_other_versions(void) {
    static const struct {
        uint8_t version[4];
        const char *words;
    } CASES[] = {
        {{1, 0, 0, 0}, "version 1"},
        {{4, 0, 0, 0}, "version 4"},
        {{0, 0, 0, 3}, "big-endian"},
        {{0, 0, 0, 0}, "version 0"},
    };
    for (size_t i = 0; i < N_OF(CASES); i++) {
        uint8_t data[24] = "GGUF";
        memcpy(data + 4, CASES[i].version, 4);
        check_bytes_refused(data, sizeof data, -ENOTSUP, CASES[i].words);
    }
    uint8_t data[24] = "GGUF\2";
    Reason why;
    CHECK_INT(parse_copy(data, sizeof data, &why), 0); /* version 2, nothing in it */
    check_bytes_refused("ggml0123456789", 14, -EBADMSG, "not a GGUF file");
}

static void refuses_hostile_counts(void) {
    static const uint64_t COUNTS[] = {1, 1000, 1ULL << 32, 1ULL << 63, UINT64_MAX};
    for (size_t i = 0; i < N_OF(COUNTS); i++)
        for (unsigned which = 0; which < 2; which++) {
            uint8_t data[40] = "GGUF\3";
            memcpy(data + (which ? 16 : 8), &COUNTS[i], 8);
            bool fits = COUNTS[i] == 1 && which == 1; /* 16 bytes are enough for a tiny key */
            check_bytes_refused(data, sizeof data, COUNTS[i] > 100000 ? -EFBIG : -EBADMSG,
                                fits                 ? "key 1"
                                : COUNTS[i] > 100000 ? "limit"
                                                     : "do not fit");
        }
}

static void refuses_bad_keys(void) {
    static const uint64_t SIZES[] = {100, 1ULL << 32, 1ULL << 63, UINT64_MAX};
    struct GgufWriter *writer;
    for (size_t i = 0; i < N_OF(SIZES); i++) {
        writer = gguf_writer_new();
        gguf_writer_raw(writer, "text", GGUF_STRING, &SIZES[i], 8);
        check_refused(writer, -EBADMSG, "value of the key 'text'");

        struct __attribute__((packed)) {
            uint32_t type;
            uint64_t n;
        } array = {GGUF_U32, SIZES[i]};
        writer = gguf_writer_new();
        gguf_writer_raw(writer, "list", GGUF_ARRAY, &array, sizeof array);
        check_refused(writer, i == 0 ? -EBADMSG : -EFBIG, "'list'");
        array.type = GGUF_STRING;
        writer = gguf_writer_new();
        gguf_writer_raw(writer, "list", GGUF_ARRAY, &array, sizeof array);
        check_refused(writer, i == 0 ? -EBADMSG : -EFBIG, "'list'");
        array.type = GGUF_ARRAY;
        writer = gguf_writer_new();
        gguf_writer_raw(writer, "list", GGUF_ARRAY, &array, sizeof array);
        check_refused(writer, -ENOTSUP, "array of arrays");
        array.type = 77;
        writer = gguf_writer_new();
        gguf_writer_raw(writer, "list", GGUF_ARRAY, &array, sizeof array);
        check_refused(writer, -EBADMSG, "unknown type 77");
    }
    writer = gguf_writer_new();
    gguf_writer_u32(writer, "same", 1);
    gguf_writer_u32(writer, "other", 1);
    gguf_writer_f32(writer, "same", 1);
    check_refused(writer, -EBADMSG, "the key 'same' appears twice");
    writer = gguf_writer_new();
    gguf_writer_raw(writer, "odd", 13, "", 1);
    check_refused(writer, -EBADMSG, "the key 'odd' has the unknown type 13");
    writer = gguf_writer_new();
    gguf_writer_u32(writer, "", 1);
    check_refused(writer, -EBADMSG, "key 1 is empty");
    writer = gguf_writer_new();
    gguf_writer_u32(writer, "a\033[31m", 1);
    check_refused(writer, -EBADMSG, "printable");
    char key[2000];
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = '\0';
    writer = gguf_writer_new();
    gguf_writer_u32(writer, key, 1);
    check_refused(writer, -EFBIG, "longer than 1024 bytes");
}

/* Numbers that two projects gave to two types: the architecture says whose file it is. */
static void names_foreign_types(void) {
    static const struct {
        const char *architecture;
        uint32_t type;
        const char *words; /* NULL: can be read */
    } cases[] = {
        {"bitnet-b1.58", 38,
         "'w' is of type TL1 (38), which is not supported: convert the model to I2_S"},
        {"bitnet-b1.58", 39, "type TL2 (39)"},
        {"bitnet-b1.58", 42, "type TL2 (42)"},
        {"llama", 42, NULL},
        {"llama", 39, "type MXFP4 or TL2 (39), which is not supported: convert the model to Q8_0"},
        {"llama", 999, "'w' is of type unknown (999)"},
    };
    for (size_t i = 0; i < N_OF(cases); i++) {
        struct GgufWriter *writer = gguf_writer_new();
        struct QuantMatrix matrix;
        struct Gguf *file = NULL;
        Reason why = {0};
        size_t size;
        gguf_writer_string(writer, "general.architecture", cases[i].architecture);
        gguf_writer_tensor(writer, "w", cases[i].type, 1, (const uint64_t[]){64}, NULL, 64);
        void *data = gguf_writer_finish(writer, &size);
        REQUIRE(gguf_parse(data, size, &file, &why) == 0);
        int r = gguf_matrix(gguf_tensor(file, "w"), &matrix, &why);
        CHECK_INT(r, cases[i].words ? -ENOTSUP : 0);
        if (cases[i].words && !strstr(why.text, cases[i].words))
            test_fail(__FILE__, __LINE__, "\"%s\"", why.text);
        gguf_free(file);
        free(data);
    }
}

static void refuses_bad_alignment(void) {
    static const uint32_t ALIGNMENTS[] = {0, 3, 33, 1U << 30};
    for (size_t i = 0; i < N_OF(ALIGNMENTS); i++) {
        struct GgufWriter *writer = gguf_writer_new();
        gguf_writer_u32(writer, "general.alignment", ALIGNMENTS[i]);
        check_refused(writer, -EBADMSG, "general.alignment");
    }
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "general.alignment", "32");
    check_refused(writer, -EBADMSG, "general.alignment");
}

static void refuses_bad_tensors(void) {
    static const struct {
        uint32_t type, n_dims;
        uint64_t dims[5];
        int expected;
        const char *words;
    } CASES[] = {
        {QUANT_F32, 0, {0}, -EBADMSG, "'w' has 0 dimensions"},
        {QUANT_F32, 5, {1, 1, 1, 1, 1}, -EBADMSG, "'w' has 5 dimensions"},
        {QUANT_F32, 2, {4, 0}, -EBADMSG, "'w' has a dimension of 0"},
        {QUANT_F32, 1, {1ULL << 63}, -EFBIG, "'w' are too large"},
        {QUANT_F32, 2, {1ULL << 32, 1ULL << 32}, -EFBIG, "'w' are too large"},
        {QUANT_F32, 4, {1 << 16, 1 << 16, 1 << 16, 1 << 16}, -EFBIG, "'w' are too large"},
        {QUANT_F32, 1, {1000}, -EBADMSG, "the data of tensor 'w' lies behind its end"},
        {QUANT_TQ2_0, 2, {255, 4}, -EBADMSG, "255 weights, not whole TQ2_0 blocks of 256"},
        {QUANT_Q8_0, 1, {33}, -EBADMSG, "not whole Q8_0 blocks of 32"},
        {QUANT_I2_S, 2, {64, 2}, -EBADMSG, "not whole I2_S blocks of 128"},
        {QUANT_I2_S, 1, {256}, -EBADMSG, "behind its end"}, /* 96 bytes of 64 */
    };
    for (size_t i = 0; i < N_OF(CASES); i++) {
        struct GgufWriter *writer = gguf_writer_new();
        uint32_t n_dims = CASES[i].n_dims;
        gguf_writer_tensor(writer, "w", CASES[i].type, n_dims, CASES[i].dims, NULL, 64);
        check_refused(writer, CASES[i].expected, CASES[i].words);
    }
}

static void *two_tensors(const char *first, const char *second, size_t *ret_size) {
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_tensor(writer, first, QUANT_F32, 1, (const uint64_t[]){16}, NULL, 64);
    gguf_writer_tensor(writer, second, QUANT_F32, 1, (const uint64_t[]){16}, NULL, 64);
    return gguf_writer_finish(writer, ret_size);
}

static void refuses_tensors_at_odds(void) {
    size_t size;
    void *data = two_tensors("same", "same", &size);
    check_bytes_refused(data, size, -EBADMSG, "the tensor 'same' appears twice");
    free(data);

    /* one-byte names: a description has 8 + 1 + 4 + 8 + 4 + 8 bytes, the offset last */
    const size_t second_offset = 24 + 2 * 33 - 8, first_dims = 24 + 8 + 1 + 4 - 4;
    static const struct {
        uint64_t offset;
        const char *words;
    } CASES[] = {
        {0, "overlap"},
        {32, "the tensors 'a' and 'b' overlap"},
        {33, "the data of tensor 'b' is not aligned to 32 bytes"},
        {96, "the data of tensor 'b' lies behind its end"},
        {1ULL << 63, "behind its end"},
        {UINT64_MAX - 31, "behind its end"},
    };
    for (size_t i = 0; i < N_OF(CASES); i++) {
        uint8_t *bytes = two_tensors("a", "b", &size);
        memcpy(bytes + second_offset, &CASES[i].offset, 8);
        check_bytes_refused(bytes, size, -EBADMSG, CASES[i].words);
        free(bytes);
    }
    uint8_t *bytes = two_tensors("a", "b", &size);
    memcpy(bytes + first_dims, &(uint32_t){UINT32_MAX}, 4);
    check_bytes_refused(bytes, size, -EBADMSG, "dimensions");
    free(bytes);

    char name[200];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    bytes = two_tensors("a", name, &size);
    check_bytes_refused(bytes, size, -EFBIG, "the name of tensor 2 is longer than 127 bytes");
    free(bytes);
}

/* Equal hashes and sorted names are an attacker's to choose; loading stays quick. */
static void indexes_many_keys(void) {
    enum { N = 60000 };
    struct GgufWriter *writer = gguf_writer_new();
    char key[32];
    for (unsigned i = 0; i < N; i++) {
        snprintf(key, sizeof key, "key.%u", i);
        gguf_writer_u32(writer, key, i);
    }
    size_t size;
    void *data = gguf_writer_finish(writer, &size);
    struct Gguf *file = NULL;
    REQUIRE(gguf_parse(data, size, &file, NULL) == 0);
    for (unsigned i = 0; i < N; i += 997) {
        uint32_t value = 0;
        snprintf(key, sizeof key, "key.%u", i);
        CHECK_INT(gguf_get_u32(file, key, &value, NULL), 0);
        CHECK_INT(value, i);
    }
    gguf_free(file);
    free(data);
}

int main(void) {
    return TEST_MAIN({"reads scalars", reads_scalars}, {"reads arrays", reads_arrays},
                     {"reads tensors", reads_tensors}, {"maps files", maps_files},
                     {"quotes foreign words", quotes_foreign_words},
                     {"refuses every truncation", refuses_every_truncation},
                     {"survives every changed byte", survives_every_changed_byte},
                     {"refuses other versions", refuses_other_versions},
                     {"refuses hostile counts", refuses_hostile_counts},
                     {"refuses bad keys", refuses_bad_keys},
                     {"names foreign types", names_foreign_types},
                     {"refuses bad alignment", refuses_bad_alignment},
                     {"refuses bad tensors", refuses_bad_tensors},
                     {"refuses tensors at odds", refuses_tensors_at_odds},
                     {"indexes many keys", indexes_many_keys});
}
