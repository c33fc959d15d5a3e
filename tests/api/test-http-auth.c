/* Who may come in over TCP. */
#include "api/http-auth.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "test.h"

static void hosts(void) {
    static const struct {
        const char *host;
        bool local;
    } rows[] = {
        {"localhost:8000", true},
        {"127.0.0.1:8000", true},
        {"[::1]:8000", true},
        {"LocalHost:8000", true},
        {"localhost", false},
        {"localhost:", false},
        {"localhost:80", false},
        {"localhost:8000x", false},
        {"localhost:+8000", false},
        {"localhost.:8000", false},
        {"evil.example:8000", false},
        {"localhost.evil:8000", false},
        {"127.0.0.1.evil:8000", false},
        {"::1:8000", false},
        {"127.0.0.2:8000", false},
        {"", false},
        {NULL, false},
        {"localhost:8000, x", false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (host_is_local(rows[i].host, 8000) != rows[i].local)
            test_fail(__FILE__, __LINE__, "%s", rows[i].host ? rows[i].host : "(none)");
    CHECK(host_is_local("localhost", 80));
}

static void origins(void) {
    static const struct {
        const char *origin;
        bool local;
    } rows[] = {
        {"http://localhost", true},
        {"http://localhost:3000", true},
        {"https://127.0.0.1:1", true},
        {"http://[::1]:9", true},
        {"null", false},
        {"", false},
        {"http://evil.example", false},
        {"http://localhost.evil", false},
        {"http://localhost@evil", false},
        {"file://", false},
        {"localhost", false},
        {"http://localhost:99999", false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (origin_is_local(rows[i].origin) != rows[i].local)
            test_fail(__FILE__, __LINE__, "%s", rows[i].origin);
}

#define KEY_1 "0123456789abcdef"
#define KEY_2 "a-much-longer-key-with-other-characters!"

struct File {
    char directory[64];
    char *path;
};

static void file_init(struct File *file, const char *contents) {
    strcpy(file->directory, "/tmp/test-http-auth-XXXXXX");
    if (!g_mkdtemp(file->directory)) abort();
    file->path = g_build_filename(file->directory, "keys", NULL);
    if (!g_file_set_contents(file->path, contents, -1, NULL)) abort();
}

static void file_done(struct File *file) {
    g_unlink(file->path);
    g_rmdir(file->directory);
    g_free(file->path);
}

static void keys(void) {
    struct File file;
    uid_t one = 0, two = 0, again = 0;
    file_init(&file, "# ours\n\n  " KEY_1 "  \r\n" KEY_2 "\n");
    ApiKeys *found = api_keys_new(file.path);
    CHECK(api_keys_find(found, KEY_1, &one));
    CHECK(api_keys_find(found, KEY_2, &two));
    CHECK(one != two);
    CHECK(one >= 0x80000000 && two >= 0x80000000);
    CHECK(!api_keys_find(found, "", &again));
    CHECK(!api_keys_find(found, "# ours", &again));
    CHECK(!api_keys_find(found, KEY_1 "x", &again));
    CHECK(!api_keys_find(found, "0123456789abcde", &again));

    /* the other key goes: its owner is locked out, the namespace of the one that stays is the same
     */
    REQUIRE(g_file_set_contents(file.path, KEY_2 "\n", -1, NULL));
    CHECK(!api_keys_find(found, KEY_1, &again));
    CHECK(api_keys_find(found, KEY_2, &again));
    CHECK_INT(again, two);
    REQUIRE(g_unlink(file.path) == 0);
    CHECK(!api_keys_find(found, KEY_2, &again));
    REQUIRE(g_file_set_contents(file.path, KEY_1 "\n", -1, NULL));
    CHECK(api_keys_find(found, KEY_1, &again));
    api_keys_free(found);
    file_done(&file);
}

static void lets_nobody_in(const char *path) {
    uid_t uid;
    ApiKeys *found = api_keys_new(path);
    CHECK(!api_keys_find(found, KEY_1, &uid));
    CHECK(!api_keys_find(found, "short", &uid));
    CHECK(!api_keys_find(found, "", &uid));
    api_keys_free(found);
}

static void bad_files(void) {
    static const char *const bad[] = {"",
                                      "# nothing\n",
                                      "short\n",
                                      KEY_1 " " KEY_2 "\n",
                                      KEY_1 "\nshort\n",
                                      "0123456789abcd\xc3\xa9x\n"};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        struct File file;
        file_init(&file, bad[i]);
        lets_nobody_in(file.path);
        file_done(&file);
    }
    lets_nobody_in(NULL);
    lets_nobody_in("");
    lets_nobody_in("/nonexistent/keys");
    lets_nobody_in("/");
}

int main(void) {
    g_log_set_writer_func(g_log_writer_journald, NULL, NULL); /* warnings are part of the test */
    return TEST_MAIN({"hosts", hosts}, {"origins", origins}, {"keys", keys},
                     {"bad-files", bad_files});
}
