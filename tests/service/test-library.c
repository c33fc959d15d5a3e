#include "test.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/library.h"

static const char sound[] = "{\"architecture\":\"fake\",\"family\":\"fake\",\"size\":10,\"weight_"
                            "bytes\":5,\"digest\":\"%s\","
                            "\"context_length\":4096,\"vocabulary_size\":100}";

static GString *events; /* "+name" and "-name" */

static void on_added(Model *model, void *userdata) {
    g_string_append_printf(events, "+%s ", model_name(model));
}

static void on_removed(Model *model, void *userdata) {
    g_string_append_printf(events, "-%s ", model_name(model));
}

static const struct LibraryEvents library_events = {on_added, on_removed};

static void put(const char *directory, const char *name, const char *digest) {
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *manifest = g_build_filename(path, "manifest.json", NULL);
    g_autofree char *model = g_build_filename(path, "model.gguf", NULL);
    g_autofree char *text = g_strdup_printf(sound, digest);
    g_mkdir_with_parents(path, 0755);
    g_file_set_contents(model, "GGUF", -1, NULL);
    if (digest) g_file_set_contents(manifest, text, -1, NULL);
}

static bool exists(const char *directory, const char *name) {
    g_autofree char *path = g_build_filename(directory, name, NULL);
    return access(path, F_OK) == 0;
}

/* Two model directories in a temporary one. */
struct Fixture {
    char *root, *directories[3];
    Library *library;
};

static void fixture_init(struct Fixture *fixture) {
    fixture->root = g_dir_make_tmp("library-XXXXXX", NULL);
    fixture->directories[0] = g_build_filename(fixture->root, "own", NULL);
    fixture->directories[1] = g_build_filename(fixture->root, "shipped", NULL);
    fixture->directories[2] = NULL;
    g_mkdir(fixture->directories[0], 0755);
    g_mkdir(fixture->directories[1], 0755);
    events = g_string_new(NULL);
}

static void fixture_open(struct Fixture *fixture) {
    fixture->library =
        library_new((const char *const *)fixture->directories, &library_events, fixture);
    library_scan(fixture->library, NULL);
}

static void fixture_done(struct Fixture *fixture) {
    library_free(fixture->library);
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", fixture->root);
    if (system(command) != 0) test_fail(__FILE__, __LINE__, "%s", command);
    g_free(fixture->root);
    g_free(fixture->directories[0]);
    g_free(fixture->directories[1]);
    g_string_free(events, TRUE);
}

static void names(void) {
    CHECK(library_name_is_valid("a"));
    CHECK(library_name_is_valid("Falcon3-7B_1.58bit"));
    static const char *const wrong[] = {"",    ".a", "-a",  "_a",       "a/b",
                                        "a b", "..", "a\n", "\xc3\xa9", "a@b"};
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) CHECK(!library_name_is_valid(wrong[i]));
    g_autofree char *longest = g_strnfill(64, 'x'), *longer = g_strnfill(65, 'x');
    CHECK(library_name_is_valid(longest));
    CHECK(!library_name_is_valid(longer));
}

static void scans(void) {
    struct Fixture fixture;
    fixture_init(&fixture);
    put(fixture.directories[0], "b", "1");
    put(fixture.directories[0], "half", NULL);
    put(fixture.directories[0], ".old.new", "1");
    put(fixture.directories[1], "a", "1");
    put(fixture.directories[1], "b", "2");
    fixture_open(&fixture);
    CHECK_STR(events->str, "+b +a ");
    CHECK_STR(model_manifest(library_find(fixture.library, "b"))->digest, "1"); /* the first wins */
    CHECK(!exists(fixture.directories[0], ".old.new"));
    CHECK(exists(fixture.directories[0], "half"));
    g_autofree Model **models = library_list(fixture.library);
    CHECK_STR(model_name(models[0]), "a");
    CHECK(models[2] == NULL);
    fixture_done(&fixture);
}

static void scans_again(void) {
    struct Fixture fixture;
    fixture_init(&fixture);
    put(fixture.directories[0], "a", "1");
    put(fixture.directories[0], "b", "1");
    put(fixture.directories[0], "c", "1");
    fixture_open(&fixture);
    g_string_truncate(events, 0);
    library_scan(fixture.library, NULL);
    CHECK_STR(events->str, "");

    library_find(fixture.library, "c")->state = MODEL_LOADED;
    put(fixture.directories[0], "a", "2");
    g_autofree char *command =
        g_strdup_printf("rm -r '%s/b' '%s/c'", fixture.directories[0], fixture.directories[0]);
    CHECK_INT(system(command), 0);
    library_scan(fixture.library, NULL);
    CHECK_STR(events->str, "-a +a -b "); /* c stays while it is loaded */
    library_find(fixture.library, "c")->state = MODEL_UNLOADED;
    library_scan(fixture.library, NULL);
    CHECK_STR(events->str, "-a +a -b -c ");
    fixture_done(&fixture);
}

static void commits(void) {
    struct Fixture fixture;
    Problem problem = {0};
    fixture_init(&fixture);
    fixture_open(&fixture);
    g_autofree char *staged = NULL, *again = NULL;
    CHECK_INT(library_stage(fixture.library, "m", 100, &staged, &problem), 0);
    CHECK(library_commit(fixture.library, "m", staged, &problem) < 0); /* nothing in it */
    CHECK_INT(problem.kind, PROBLEM_BAD_MODEL);
    put(staged, ".", "1");
    CHECK_INT(library_commit(fixture.library, "m", staged, &problem), 0);
    CHECK(!exists(fixture.directories[0], ".m.new"));

    CHECK_INT(library_stage(fixture.library, "m", 100, &again, &problem), 0);
    put(again, ".", "2");
    CHECK_INT(library_commit(fixture.library, "m", again, &problem), 0);
    CHECK_STR(model_manifest(library_find(fixture.library, "m"))->digest, "2");
    CHECK_STR(events->str, "+m -m +m ");
    CHECK(!exists(fixture.directories[0], ".m.new"));
    fixture_done(&fixture);
}

static void refuses_what_does_not_fit(void) {
    struct Fixture fixture;
    Problem problem = {0};
    char *staged = NULL;
    fixture_init(&fixture);
    fixture_open(&fixture);
    CHECK(library_stage(fixture.library, "m", UINT64_MAX, &staged, &problem) < 0);
    CHECK_INT(problem.kind, PROBLEM_NO_SPACE);
    CHECK(!exists(fixture.directories[0], ".m.new"));
    fixture_done(&fixture);
}

static void removes(void) {
    struct Fixture fixture;
    Problem problem = {0};
    fixture_init(&fixture);
    put(fixture.directories[0], "m", "1");
    put(fixture.directories[1], "m", "2");
    fixture_open(&fixture);
    Model *model = library_find(fixture.library, "m");
    model->read_only = true;
    CHECK(library_remove(fixture.library, model, &problem) < 0);
    CHECK_INT(problem.kind, PROBLEM_READ_ONLY);
    model->read_only = false;
    CHECK_INT(library_remove(fixture.library, model, &problem), 0);
    CHECK(!exists(fixture.directories[0], "m"));
    CHECK_STR(events->str, "+m -m +m "); /* the one that it hid */
    CHECK_STR(model_manifest(library_find(fixture.library, "m"))->digest, "2");
    fixture_done(&fixture);
}

static void put_text(const char *directory, const char *name, const char *text) {
    g_autofree char *path = g_build_filename(directory, name, NULL);
    CHECK(g_file_set_contents(path, text, -1, NULL));
}

/* A model of two parts with a draft model; `directory` is there. */
static void put_parts(const char *directory, const char *digest) {
    g_autofree char *draft = g_build_filename(directory, "draft", NULL);
    g_autofree char *text = g_strdup_printf(sound, digest);
    g_autofree char *manifest =
        g_strdup_printf("%.*s,\"files\":2,\"kv_type\":\"I8\",\"draft\":\"small\","
                        "\"draft_weight_bytes\":7}",
                        (int)strlen(text) - 1, text);
    g_mkdir_with_parents(draft, 0755);
    put_text(directory, "model-00001-of-00002.gguf", "GGUF1");
    put_text(directory, "model-00002-of-00002.gguf", "GGUF2");
    put_text(directory, "install.json", "{}");
    put_text(directory, "packed.bin", "old");
    put_text(directory, "manifest.json", manifest);
    put_text(draft, "model.gguf", "GGUF");
    put_text(draft, "packed.bin", "old");
    put_text(draft, "manifest.json", text);
}

static void parts_and_draft(void) {
    struct Fixture fixture;
    Problem problem = {0};
    fixture_init(&fixture);
    g_autofree char *directory = g_build_filename(fixture.directories[0], "m", NULL);
    put_parts(directory, "1");
    fixture_open(&fixture);
    Model *model = library_find(fixture.library, "m");
    REQUIRE(model);
    CHECK_INT(model_manifest(model)->files, 2);
    CHECK_STR(model_manifest(model)->kv_type, "I8");
    CHECK_STR(model_manifest(model)->draft, "small");
    CHECK_INT(model_weight_bytes(model), 12);
    CHECK_INT(library_remove(fixture.library, model, &problem), 0);
    CHECK(!exists(fixture.directories[0], "m"));
    CHECK(!exists(fixture.directories[0], ".m.new"));

    /* the first part is missing: no model */
    put_parts(directory, "1");
    g_autofree char *first = g_build_filename(directory, "model-00001-of-00002.gguf", NULL);
    g_unlink(first);
    library_scan(fixture.library, NULL);
    CHECK(!library_find(fixture.library, "m"));
    fixture_done(&fixture);
}

static char *text_of(const char *directory, const char *name) {
    g_autofree char *path = g_build_filename(directory, name, NULL);
    char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

/* Packing again: what it reads is linked, what it makes is not; the Model stays, loaded or not. */
static void stages_again(void) {
    struct Fixture fixture;
    Problem problem = {0};
    fixture_init(&fixture);
    g_autofree char *directory = g_build_filename(fixture.directories[0], "m", NULL);
    g_autofree char *staged = NULL, *other = NULL;
    put_parts(directory, "1");
    fixture_open(&fixture);
    Model *model = library_find(fixture.library, "m");
    REQUIRE(model);
    model->state = MODEL_LOADED;
    CHECK_INT(library_stage_again(fixture.library, model, &staged, &problem), 0);
    CHECK(exists(staged, "model-00002-of-00002.gguf") && exists(staged, "install.json") &&
          exists(staged, "draft/model.gguf"));
    CHECK(!exists(staged, "packed.bin") && !exists(staged, "manifest.json") &&
          !exists(staged, "draft/packed.bin"));

    put_text(staged, "packed.bin", "new");
    CHECK(library_renew(fixture.library, model, staged, &problem) < 0); /* no manifest yet */
    CHECK_INT(problem.kind, PROBLEM_BAD_MODEL);
    put_parts(staged, "2");
    CHECK(library_renew(fixture.library, model, staged, &problem) < 0); /* another model */
    put_parts(staged, "1");
    put_text(staged, "packed.bin", "new");
    CHECK_INT(library_renew(fixture.library, model, staged, &problem), 0);
    g_autofree char *packed = text_of(directory, "packed.bin");
    CHECK_STR(packed, "new");
    CHECK(!exists(fixture.directories[0], ".m.new"));
    CHECK(library_find(fixture.library, "m") == model);
    CHECK_STR(model_name(model), "m");
    CHECK_STR(events->str, "+m ");

    model->read_only = true;
    CHECK(library_stage_again(fixture.library, model, &other, &problem) < 0);
    CHECK_INT(problem.kind, PROBLEM_READ_ONLY);
    CHECK(!exists(fixture.directories[0], ".m.new"));
    fixture_done(&fixture);
}

/* A link in the place of a manifest leads nowhere. */
static void follows_no_links(void) {
    struct Fixture fixture;
    fixture_init(&fixture);
    put(fixture.directories[0], "m", "1");
    put(fixture.directories[0], "n", NULL);
    g_autofree char *from = g_build_filename(fixture.directories[0], "m/manifest.json", NULL);
    g_autofree char *to = g_build_filename(fixture.directories[0], "n/manifest.json", NULL);
    CHECK_INT(symlink(from, to), 0);
    fixture_open(&fixture);
    CHECK_STR(events->str, "+m ");
    fixture_done(&fixture);
}

int main(void) {
    return TEST_MAIN({"names", names}, {"scans", scans}, {"scans_again", scans_again},
                     {"commits", commits}, {"refuses_what_does_not_fit", refuses_what_does_not_fit},
                     {"removes", removes}, {"parts_and_draft", parts_and_draft},
                     {"stages_again", stages_again}, {"follows_no_links", follows_no_links});
}
