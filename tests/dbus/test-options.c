#include "dbus/options.h"

#include <errno.h>

#include "test.h"

static void range_says(const char *name, const char *expected) {
    char range[OPTIONS_RANGE_SIZE];
    CHECK_STR(options_range(name, range, sizeof range), expected);
}

static void ranges_are_words(void) {
    char range[OPTIONS_RANGE_SIZE];
    range_says("stop", "up to 16 texts of 1 to 256 bytes");
    range_says("grammar", "a text of 1 to 262144 bytes");
    range_says("draft", "auto, off, lookup or model");
    range_says("top_p", "a number from 0 to 1");
    range_says("top_k", "a whole number from 0 to 4294967295");
    CHECK(!options_range("colour", range, sizeof range));
}

static void texts_have_limits(void) {
    static char text[(256 << 10) + 2];
    struct GenerateOptions options;
    options_init(&options);
    memset(text, 'x', sizeof text - 1);
    CHECK_INT(options_set_text(&options, "grammar", text), -ERANGE);
    CHECK_INT(options_set_text(&options, "grammar", ""), -ERANGE);
    CHECK(!options_is_set(&options, "grammar") && !options.grammar);
    text[256 << 10] = '\0';
    CHECK_INT(options_set_text(&options, "grammar", text), 0);
    CHECK_INT(options_set_text(&options, "grammar", "root ::= \"a\""), 0);
    CHECK_STR(options.grammar, "root ::= \"a\"");
    CHECK_INT(options_set_text(&options, "draft", "sometimes"), -ERANGE);
    CHECK_INT(options_set_text(&options, "draft", "lookup"), 0);
    CHECK_INT(options_set_number(&options, "draft", 1), -ERANGE);
    for (int i = 0; i < 16; i++) CHECK_INT(options_set_text(&options, "stop", "x"), 0);
    CHECK_INT(options_set_text(&options, "stop", "x"), -ERANGE);
    options_done(&options);
}

static void biases_are_tokens_with_numbers(void) {
    struct GenerateOptions options, copy;
    options_init(&options);
    range_says("logit_bias", "up to 1024 tokens with a number from -100 to 100, or -infinity");
    range_says("samplers", "up to 16 of penalties, dry, top_n_sigma, top_k, typ_p, top_p, min_p, "
                           "xtc or temperature");
    CHECK_INT(options_set_text(&options, "logit_bias", "15043=-1.5"), 0);
    CHECK_INT(options_set_text(&options, "logit_bias", "7=-inf"), 0);
    CHECK_INT(options_set_text(&options, "logit_bias", "7"), -ERANGE);
    CHECK_INT(options_set_text(&options, "logit_bias", "7="), -ERANGE);
    CHECK_INT(options_set_text(&options, "logit_bias", "-7=1"), -ERANGE);
    CHECK_INT(options_set_text(&options, "logit_bias", "7=nan"), -ERANGE);
    CHECK_INT(options_set_text(&options, "logit_bias", "7=inf"), -ERANGE);
    CHECK_INT(options_set_text(&options, "logit_bias", "7=101"), -ERANGE);
    CHECK_INT(options_set_text(&options, "logit_bias", "99999999999=1"), -ERANGE);
    CHECK_INT(options_copy(&options, &copy), 0);
    options_done(&options);
    REQUIRE(copy.logit_bias && copy.logit_bias->n == 2);
    CHECK_INT(copy.logit_bias->biases[0].token, 15043);
    CHECK_NEAR(copy.logit_bias->biases[0].bias, -1.5, 0);
    CHECK(copy.logit_bias->biases[1].bias == -INFINITY);
    for (int i = 2; i < 1024; i++) CHECK_INT(options_add_bias(&copy, i, 0), 0);
    CHECK_INT(options_add_bias(&copy, 1, 0), -ERANGE);
    options_done(&copy);
}

static void copies_own_their_texts(void) {
    struct GenerateOptions options, copy;
    options_init(&options);
    CHECK_INT(options_set_text(&options, "stop", "a"), 0);
    CHECK_INT(options_set_text(&options, "stop", "b"), 0);
    CHECK_INT(options_set_text(&options, "tools", "[]"), 0);
    CHECK_INT(options_set_number(&options, "top_k", 3), 0);
    CHECK_INT(options_copy(&options, &copy), 0);
    options_done(&options);
    CHECK(copy.set == options.set);
    CHECK_STR(copy.stop[0], "a");
    CHECK_STR(copy.stop[1], "b");
    CHECK(!copy.stop[2]);
    CHECK_STR(copy.tools, "[]");
    CHECK_INT(copy.top_k, 3);
    options_done(&copy);
}

int main(void) {
    return TEST_MAIN({"ranges are words", ranges_are_words},
                     {"texts have limits", texts_have_limits},
                     {"biases are tokens with numbers", biases_are_tokens_with_numbers},
                     {"copies own their texts", copies_own_their_texts});
}
