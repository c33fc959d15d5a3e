#include "test.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "service/config-value.h"
#include "service/config.h"

/* A directory with ryzen-llmd.conf and one drop-in (NULL: none). */
static char *directory_with(const char *text, const char *drop_in) {
    char *directory = g_dir_make_tmp("config-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(directory, "c.conf", NULL);
    g_autofree char *more = g_build_filename(directory, "c.conf.d", NULL);
    g_autofree char *extra = g_build_filename(more, "50-a.conf", NULL);
    g_file_set_contents(file, text, -1, NULL);
    if (drop_in) {
        g_mkdir(more, 0700);
        g_file_set_contents(extra, drop_in, -1, NULL);
    }
    return directory;
}

static void directory_free(char *directory) {
    g_autofree char *file = g_build_filename(directory, "c.conf", NULL);
    g_autofree char *more = g_build_filename(directory, "c.conf.d", NULL);
    g_autofree char *extra = g_build_filename(more, "50-a.conf", NULL);
    unlink(extra);
    rmdir(more);
    unlink(file);
    rmdir(directory);
    g_free(directory);
}

static int load(struct Config *config, const char *text, const char *drop_in, Problem *why) {
    char *directory = directory_with(text, drop_in);
    g_autofree char *file = g_build_filename(directory, "c.conf", NULL);
    config_init(config, false);
    int r = config_load(config, file, why);
    directory_free(directory);
    return r;
}

static void defaults(void) {
    struct Config config;
    Problem problem;
    config_init(&config, false);
    CHECK_INT(config_load(&config, "/nonexistent/c.conf", &problem), 0);
    CHECK_STR(config.default_model, "");
    CHECK_STR(config.runtime_directory, "/run/ryzen-llm");
    CHECK_STR(config.supervisor, "auto");
    CHECK_INT(config.idle_timeout_usec, 300000000);
    CHECK_INT(config.max_queued, 64);
    CHECK(config.memory_budget > 0);
    CHECK(g_strv_length(config.model_directories) == 2);
    config_done(&config);
}

static void reads_everything(void) {
    struct Config config;
    Problem problem;
    CHECK_INT(load(&config,
                   "# a comment\n\n[Service]\nDefaultModel = b1.58 \n"
                   "ModelDirectories=/a /b\t/c\n; another\n[Limits]\r\nMemoryBudget=1.5G\n"
                   "IdleTimeoutSec=1h 30min\nThreads=4\n[HTTP]\nApiKeyFile=/k\n",
                   NULL, &problem),
              0);
    CHECK_STR(config.default_model, "b1.58");
    CHECK(g_strv_length(config.model_directories) == 3);
    CHECK_STR(config.model_directories[2], "/c");
    CHECK_INT(config.memory_budget, INT64_C(3) << 29);
    CHECK_INT(config.idle_timeout_usec, INT64_C(5400000000));
    CHECK_INT(config_idle_sec(&config), 5400);
    config.idle_timeout_usec = 500000; /* not never */
    CHECK_INT(config_idle_sec(&config), 1);
    config.idle_timeout_usec = 0;
    CHECK_INT(config_idle_sec(&config), 0);
    CHECK_INT(config.threads, 4);
    CHECK_STR(config.api_key_file, "/k");
    config_done(&config);
}

static void drop_ins_win(void) {
    struct Config config, copy;
    Problem problem;
    CHECK_INT(
        load(&config, "[Limits]\nThreads=4\nMaxSequences=3\n", "[Limits]\nThreads=5\n", &problem),
        0);
    config_copy(&config, &copy);
    config_done(&config);
    CHECK_INT(copy.threads, 5);
    CHECK_INT(copy.max_sequences, 3);
    CHECK_STR(copy.supervisor, "auto");
    config_done(&copy);
}

static void names_file_and_line(void) {
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"[Limits]\nThreads=many\n", "c.conf:2: Threads= must be a whole number from 0 to 1024"},
        {"[Limits]\n\nThreads=-1\n", "c.conf:3: Threads="},
        {"[Limits]\nThreads=99999\n", "c.conf:2: Threads="},
        {"[Limits]\nThreads=\n", "c.conf:2: Threads="},
        {"[Limits]\nMaxSequences=0\n", "c.conf:2: MaxSequences="},
        {"[Limits]\nMaxSequences=65\n", "c.conf:2: MaxSequences="}, /* no worker takes more */
        {"Threads=1\n", "c.conf:1: Expected a [Section]"},
        {"[Limits]\nwhat is this\n", "c.conf:2: Expected [Section] or Key=value"},
        {"[Limits]\nColour=red\n", "c.conf:2: There is no option Colour= in [Limits]"},
        {"[Service]\nThreads=1\n", "c.conf:2: There is no option Threads= in [Service]"},
        {"[Service]\nSupervisor=me\n", "c.conf:2: Supervisor= must be auto, systemd or spawn"},
        {"[Service]\nModelDirectories=relative\n", "c.conf:2: ModelDirectories="},
        {"[Limits]\nMemoryBudget=101%\n", "c.conf:2: MemoryBudget="},
        {"[Limits]\nIdleTimeoutSec=soon\n", "c.conf:2: IdleTimeoutSec="},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct Config config;
        Problem problem = {0};
        CHECK_INT(load(&config, rows[i].text, NULL, &problem), -1);
        if (!strstr(problem.text, rows[i].words))
            test_fail(__FILE__, __LINE__, "%s lacks \"%s\"", problem.text, rows[i].words);
        CHECK_INT(problem.kind, PROBLEM_INVALID_ARGUMENT);
        config_done(&config);
    }
}

static void names_the_drop_in(void) {
    struct Config config;
    Problem problem = {0};
    CHECK_INT(load(&config, "", "[Limits]\nThreads=x\n", &problem), -1);
    CHECK(strstr(problem.text, "c.conf.d/50-a.conf:2:") != NULL);
    config_done(&config);
}

static void sizes(void) {
    static const struct {
        const char *text;
        int64_t size; /* -1: wrong */
    } rows[] = {
        {"0", 0},
        {"512", 512},
        {"1K", 1024},
        {"1.5M", 1572864},
        {"2 GiB", INT64_C(2) << 30},
        {"1T", INT64_C(1) << 40},
        {"1X", -1},
        {"-1", -1},
        {"", -1},
        {"inf", -1},
        {"0x10", -1},
        {"1e300T", -1},
        {"10 20", -1},
        {"0%", -1},
        {"%", -1},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t size = 0;
        int r = value_size(rows[i].text, &size);
        if (r < 0 ? rows[i].size != -1 : (int64_t)size != rows[i].size)
            test_fail(__FILE__, __LINE__, "\"%s\" is %" PRIu64 " (%d)", rows[i].text, size, r);
    }
    uint64_t half, whole;
    CHECK_INT(value_size("50%", &half), 0);
    CHECK_INT(value_size("100%", &whole), 0);
    CHECK_NEAR((double)half * 2, (double)whole, 2);
}

static void spans(void) {
    static const struct {
        const char *text;
        int64_t usec; /* -1: wrong */
    } rows[] = {
        {"300", 300000000},
        {"5min", 300000000},
        {"1h 30min", 5400000000},
        {"1h30min", 5400000000},
        {"250ms", 250000},
        {"0", 0},
        {"1.5 s", 1500000},
        {"1day", 86400000000},
        {"", -1},
        {"min", -1},
        {"5 parsecs", -1},
        {"-5", -1},
        {"1e30", -1},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t usec = 0;
        int r = value_span(rows[i].text, &usec);
        if (r < 0 ? rows[i].usec != -1 : (int64_t)usec != rows[i].usec)
            test_fail(__FILE__, __LINE__, "\"%s\" is %" PRIu64 " (%d)", rows[i].text, usec, r);
    }
}

int main(void) {
    return TEST_MAIN({"defaults", defaults}, {"reads_everything", reads_everything},
                     {"drop_ins_win", drop_ins_win}, {"names_file_and_line", names_file_and_line},
                     {"names_the_drop_in", names_the_drop_in}, {"sizes", sizes}, {"spans", spans});
}
