/* Installing a model: what --pack leaves behind, and what it says when it cannot. */
#include "test.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../engine/split-model.h"
#include "../engine/tiny-model.h"
#include "dbus/names.h"
#include "engine/quant.h"
#include "events.h"
#include "kernels/kernels.h"
#include "talk.h"
#include "worker-process.h"

/* A small transformer, at the path of the worker's model. */
static void tiny_write(const struct WorkerProcess *worker) {
    const struct TinyShape shape = {
        .architecture = "llama",
        .n_layers = 2,
        .n_embd = 64,
        .n_heads = 4,
        .n_kv_heads = 2,
        .head_size = 16,
        .n_ff = 128,
        .n_vocab = 64,
        .n_rot = 16,
        .n_ctx = 256,
        .type = QUANT_F16,
    };
    struct TinyModel *model = tiny_model_new(&shape);
    g_autofree char *bytes = NULL;
    int fd = tiny_model_fd(model);
    off_t size = lseek(fd, 0, SEEK_END);

    bytes = g_malloc((gsize)size);
    CHECK_INT(pread(fd, bytes, (size_t)size, 0), size);
    CHECK(g_file_set_contents(worker->model, bytes, size, NULL));
    close(fd);
    tiny_model_free(model);
}

/* Runs --pack with its events into `events`; returns the process. */
static pid_t pack_begin(const struct WorkerProcess *worker, const char *weights,
                        struct Events *events, int *ret_fd) {
    const char *const arguments[] = {"--pack",          "--model", worker->model, "--output",
                                     worker->directory, "--name",  "tiny",        "--weights",
                                     weights,           NULL};
    events_open(events, 0, ret_fd);
    return worker_run_program(arguments, *ret_fd);
}

static int pack_as(const struct WorkerProcess *worker, const char *weights, struct Events *events) {
    int fd, status;
    pid_t pid = pack_begin(worker, weights, events, &fd);

    close(fd);
    while (events_next(events)) {
    }
    waitpid(pid, &status, 0);
    CHECK_INT(events->n_bad, 0);
    CHECK_INT(events->n_done, 1);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int pack(const struct WorkerProcess *worker, struct Events *events) {
    return pack_as(worker, "file", events);
}

static bool has_file(const struct WorkerProcess *worker, const char *name) {
    g_autofree char *path = g_build_filename(worker->directory, name, NULL);
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void check_nothing_left(const struct WorkerProcess *worker) {
    GDir *directory = g_dir_open(worker->directory, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(directory)))
        if (strcmp(name, "model.gguf") != 0 && strcmp(name, "socket") != 0 &&
            strcmp(name, "notify") != 0)
            test_fail(__FILE__, __LINE__, "%s is left", name);
    g_dir_close(directory);
}

static void manifest_check(const struct WorkerProcess *worker) {
    g_autofree char *path = g_build_filename(worker->directory, "manifest.json", NULL);
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *model = NULL;
    gsize size = 0;

    REQUIRE(json_parser_load_from_file(parser, path, NULL));
    JsonObject *manifest = json_node_get_object(json_parser_get_root(parser));
    REQUIRE(g_file_get_contents(worker->model, &model, &size, NULL));
    g_autofree char *digest =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)model, size);
    CHECK_STR(json_object_get_string_member(manifest, "name"), "tiny");
    CHECK_STR(json_object_get_string_member(manifest, "title"), "tiny");
    CHECK_STR(json_object_get_string_member(manifest, "architecture"), "llama");
    CHECK_STR(json_object_get_string_member(manifest, "family"), "transformer");
    CHECK_STR(json_object_get_string_member(manifest, "weights"), "F16");
    CHECK_STR(json_object_get_string_member(manifest, "digest"), digest);
    CHECK_STR(json_object_get_string_member(manifest, "chat_template"), "");
    CHECK_INT(json_object_get_int_member(manifest, "size"), size);
    CHECK_INT(json_object_get_int_member(manifest, "context_length"), 256);
    CHECK_INT(json_object_get_int_member(manifest, "vocabulary_size"), 64);
    CHECK(json_object_get_int_member(manifest, "parameters") > 0);
    CHECK(json_object_get_int_member(manifest, "weight_bytes") > 0);
    CHECK(!json_object_get_boolean_member(manifest, "can_chat"));
    JsonObject *packed = json_object_get_object_member(manifest, "packed");
    CHECK(*json_object_get_string_member(packed, "tier"));
    CHECK(json_object_get_int_member(packed, "bytes") > 0);
}

/* What the worker answers to "abc" when it is started on the whole directory; what it said on
 * stderr. */
/* What it says of itself. */
static char described_weights[32], described_kv_type[8], described_packed[8];
static guint64 described_memory;
static int described_draft;

static const struct {
    const char *name;
    char *text;
    gsize size;
} described[] = {
    {"weights", described_weights, sizeof described_weights},
    {"kv_type", described_kv_type, sizeof described_kv_type},
    {"packed", described_packed, sizeof described_packed},
};

static void member_read(sd_bus_message *reply, const char *key) {
    const char *value;

    for (gsize i = 0; i < G_N_ELEMENTS(described); i++)
        if (strcmp(key, described[i].name) == 0 &&
            sd_bus_message_read(reply, "v", "s", &value) >= 0) {
            g_strlcpy(described[i].text, value, described[i].size);
            return;
        }
    if (strcmp(key, "memory_bytes") == 0)
        sd_bus_message_read(reply, "v", "t", &described_memory);
    else if (strcmp(key, "draft") == 0)
        sd_bus_message_read(reply, "v", "b", &described_draft);
    else
        sd_bus_message_skip(reply, "v");
}

static void describe(sd_bus *bus) {
    sd_bus_message *reply = NULL;
    const char *key;

    CHECK(sd_bus_call_method(bus, NULL, WORKER_PATH, WORKER_INTERFACE, "Describe", NULL, &reply,
                             NULL) >= 0);
    CHECK(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
    while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
        sd_bus_message_read(reply, "s", &key);
        member_read(reply, key);
        sd_bus_message_exit_container(reply);
    }
    sd_bus_message_unref(reply);
}

static char *serve(struct WorkerProcess *worker, char **ret_said) {
    const char *const arguments[] = {"--model", worker->directory, NULL}; /* the last one counts */
    struct Talk talk;

    worker_start(worker, arguments);
    sd_bus *bus = worker_connect(worker);
    describe(bus);
    sd_bus_message *message = talk_begin(bus, 1);
    PROMPT(message, "a{sv}a{sv}", 1, "text", "s", "abc", 3, "max_tokens", "u", 30, "temperature",
           "d", 0.0, "ignore_eos", "b", 1);
    talk_send(bus, message, &talk, 0);
    talk_finish(bus, &talk);
    CHECK_STR(talk.answer.finish_reason, "length");
    char *text = g_strdup(talk.events.text->str);
    talk_clear(&talk);
    sd_bus_unref(bus);
    kill(worker->pid, SIGTERM);
    CHECK_INT(worker_wait(worker), 0);
    *ret_said = worker_stderr(worker);
    return text;
}

static void packed_and_served(void) {
    struct WorkerProcess worker;
    struct Events events;
    g_autofree char *said_raw = NULL, *said_packed = NULL, *said_stale = NULL, *said_other = NULL;
    worker_prepare(&worker, NULL);
    tiny_write(&worker);

    g_autofree char *raw = serve(&worker, &said_raw);
    CHECK(!strstr(said_raw, "Not using"));
    CHECK_INT(pack(&worker, &events), 0);
    CHECK_STR(events_finish_reason(&events), "stop");
    CHECK(events.n_progress > 0);
    events_clear(&events);
    CHECK(has_file(&worker, "packed.bin"));
    CHECK(!has_file(&worker, ".packed.bin.new"));
    CHECK(!has_file(&worker, ".manifest.json.new"));
    manifest_check(&worker);

    g_autofree char *packed = serve(&worker, &said_packed);
    CHECK_STR(packed, raw);
    CHECK(!strstr(said_packed, "Not using"));

    /* a packed file of another processor, then of another day: the GGUF file is there still */
    g_setenv("RYZEN_LLM_CPU", "c", TRUE);
    g_autofree char *other = serve(&worker, &said_other);
    g_unsetenv("RYZEN_LLM_CPU");
    CHECK_STR(other, raw);
    CHECK(strstr(said_other, "Not using") || !kernels_tier(1));
    g_autofree char *path = g_build_filename(worker.directory, "packed.bin", NULL);
    CHECK(g_file_set_contents(path, "RLLMPAK\0what is this?", 21, NULL));
    g_autofree char *stale = serve(&worker, &said_stale);
    CHECK_STR(stale, raw);
    CHECK(strstr(said_stale, "Not using"));
    worker_clear(&worker);
}

static void copy_to(int fd, const char *path) {
    off_t size = lseek(fd, 0, SEEK_END);
    g_autofree char *bytes = g_malloc((gsize)size);
    CHECK_INT(pread(fd, bytes, (size_t)size, 0), size);
    CHECK(g_file_set_contents(path, bytes, size, NULL));
    close(fd);
}

/* Cuts model.gguf into three. */
static void split(const struct WorkerProcess *worker) {
    struct Gguf *file = NULL;
    int fd = open(worker->model, O_RDONLY | O_CLOEXEC);
    REQUIRE(gguf_open(fd, &file, NULL) == 0);
    for (uint32_t i = 0; i < 3; i++) {
        g_autofree char *path =
            g_strdup_printf("%s/model-%05u-of-00003.gguf", worker->directory, i + 1);
        copy_to(split_model_fd(file, i, 3, (struct SplitLie){0}), path);
    }
    gguf_free(file);
    close(fd);
    g_unlink(worker->model);
}

static int pack_path(const struct WorkerProcess *worker, const char *path, struct Events *events) {
    int fd, status;
    const char *const arguments[] = {"--pack",   "--model",         path,
                                     "--output", worker->directory, NULL};
    events_open(events, 0, &fd);
    pid_t pid = worker_run_program(arguments, fd);
    close(fd);
    while (events_next(events)) {
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static guint64 manifest_number(const struct WorkerProcess *worker, const char *name) {
    g_autofree char *path = g_build_filename(worker->directory, "manifest.json", NULL);
    g_autoptr(JsonParser) parser = json_parser_new();
    if (!json_parser_load_from_file(parser, path, NULL)) return 0;
    return (guint64)json_object_get_int_member(json_node_get_object(json_parser_get_root(parser)),
                                               name);
}

/* All parts in the directory are one model: packed, and served with and without the packed file. */
static void split_files(void) {
    struct WorkerProcess worker;
    struct Events events;
    g_autofree char *said = NULL, *said_parts = NULL, *said_packed = NULL;
    worker_prepare(&worker, NULL);
    tiny_write(&worker);
    g_autofree char *whole = serve(&worker, &said);
    split(&worker);

    g_autofree char *parts = serve(&worker, &said_parts);
    CHECK_STR(parts, whole);
    CHECK_INT(pack_path(&worker, worker.directory, &events), 0);
    events_clear(&events);
    CHECK(has_file(&worker, "packed.bin") && has_file(&worker, "manifest.json"));
    CHECK_INT(manifest_number(&worker, "files"), 3);
    g_autofree char *packed = serve(&worker, &said_packed);
    CHECK_STR(packed, whole);
    CHECK(!strstr(said_packed, "Not using"));

    /* any part stands for all of them, and one that is not there is named */
    g_autofree char *second = g_build_filename(worker.directory, "model-00002-of-00003.gguf", NULL);
    CHECK_INT(pack_path(&worker, second, &events), 0);
    events_clear(&events);
    g_unlink(second);
    CHECK_INT(pack_path(&worker, worker.directory, &events), 1);
    CHECK_STR(events_error_name(&events), ERROR_BAD_MODEL);
    CHECK(strstr(events_error_message(&events), "part 2 of 3 is missing"));
    events_clear(&events);
    worker_clear(&worker);
}

/* Without its GGUF file a damaged packed one is refused, in words that say what to do. */
static void damaged_alone(void) {
    struct WorkerProcess worker;
    struct Events events;
    worker_prepare(&worker, NULL);
    tiny_write(&worker);
    CHECK_INT(pack(&worker, &events), 0);
    events_clear(&events);
    g_autofree char *path = g_build_filename(worker.directory, "packed.bin", NULL);
    GStatBuf status;
    char byte;
    g_stat(path, &status);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK_INT(pread(fd, &byte, 1, status.st_size - 1), 1);
    byte ^= 1;
    CHECK_INT(pwrite(fd, &byte, 1, status.st_size - 1), 1);
    close(fd);

    g_autofree char *said = NULL;
    g_autofree char *text = serve(&worker, &said); /* with the GGUF file beside it */
    CHECK(*text && strstr(said, "damaged"));
    g_unlink(worker.model);
    const char *const arguments[] = {"--model", worker.directory, NULL};
    worker_start(&worker, arguments);
    CHECK(worker_wait(&worker) > 0);
    g_autofree char *refused = worker_stderr(&worker);
    CHECK(strstr(refused, "install the model again"));
    worker_clear(&worker);
}

/* What was made smaller is told, and runs. */
static void requantised(void) {
    static const struct {
        const char *asked, *weights, *to;
    } cases[] = {{"q8", "F16→Q8_0", "Q8_0"}, {"q4", "F16→Q4_0", "Q4_0"}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct WorkerProcess worker;
        struct Events events;
        worker_prepare(&worker, NULL);
        tiny_write(&worker);
        CHECK_INT(pack_as(&worker, cases[i].asked, &events), 0);
        events_clear(&events);
        g_autofree char *path = g_build_filename(worker.directory, "manifest.json", NULL);
        g_autoptr(JsonParser) parser = json_parser_new();
        REQUIRE(json_parser_load_from_file(parser, path, NULL));
        JsonObject *manifest = json_node_get_object(json_parser_get_root(parser));
        CHECK_STR(json_object_get_string_member(manifest, "weights"), cases[i].weights);
        REQUIRE(json_object_has_member(manifest, "requantised"));
        JsonObject *done = json_object_get_object_member(manifest, "requantised");
        CHECK(json_object_get_double_member(done, "worst_error") > 0.001);
        CHECK(*json_object_get_string_member(done, "worst_tensor"));
        JsonArray *changes = json_object_get_array_member(done, "changes");
        guint last = json_array_get_length(changes) - 1;
        JsonObject *change = json_array_get_object_element(changes, last);
        CHECK_STR(json_object_get_string_member(change, "from"), "F16");
        CHECK_STR(json_object_get_string_member(change, "to"), cases[i].to);
        CHECK(json_object_get_int_member(change, "matrices") >= 14);
        CHECK(json_object_get_int_member(change, "bytes_after") <
              json_object_get_int_member(change, "bytes_before"));
        g_autofree char *said = NULL;
        g_autofree G_GNUC_UNUSED char *text = serve(&worker, &said);
        CHECK(!strstr(said, "Not using"));
        CHECK_STR(json_object_get_string_member(done, "asked"), cases[i].asked);
        /* it is the same model where the packed file cannot be used, not the one of the file */
        g_autofree char *packed = g_build_filename(worker.directory, "packed.bin", NULL);
        CHECK(g_file_set_contents(packed, "RLLMPAK", 8, NULL));
        g_autofree char *said_again = NULL;
        g_autofree char *again = serve(&worker, &said_again);
        CHECK_STR(again, text);
        CHECK(strstr(said_again, "Not using"));
        CHECK_STR(described_weights, cases[i].weights);
        worker_clear(&worker);
    }
    struct WorkerProcess worker;
    worker_prepare(&worker, NULL);
    tiny_write(&worker);
    const char *const wrong[] = {"--pack",         "--model",   worker.model, "--output",
                                 worker.directory, "--weights", "q5",         NULL};
    int status;
    waitpid(worker_run_program(wrong, STDERR_FILENO), &status, 0);
    CHECK_INT(WEXITSTATUS(status), 64);
    check_nothing_left(&worker);
    worker_clear(&worker);
}

static void settings_write(const char *directory, const char *text) {
    g_autofree char *path = g_build_filename(directory, "install.json", NULL);
    CHECK(g_file_set_contents(path, text, -1, NULL));
}

/* install.json is obeyed when a model is packed, and when it is loaded, packed or not. */
static void settings_obeyed(void) {
    static const char *const wrong[] = {"",
                                        "[]",
                                        "{\"weights\":\"q5\"}",
                                        "{\"kv_type\":\"F16\"}",
                                        "{\"kv_type\":\"f8\"}",
                                        "{\"a\":[[[",
                                        "{} {"};
    struct WorkerProcess worker;
    struct Events events;
    g_autofree char *said = NULL, *said_stale = NULL;
    worker_prepare(&worker, NULL);
    tiny_write(&worker);
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        settings_write(worker.directory, wrong[i]);
        CHECK_INT(pack_path(&worker, worker.directory, &events), 1);
        CHECK_STR(events_error_name(&events), ERROR_BAD_MODEL);
        CHECK(strstr(events_error_message(&events), "install.json"));
        events_clear(&events);
    }

    settings_write(worker.directory, "{\"weights\":\"q8\",\"kv_type\":\"i8\",\"new\":1}");
    CHECK_INT(pack_path(&worker, worker.directory, &events), 0);
    CHECK_INT(events.n_bad, 0);
    events_clear(&events);
    g_autofree char *packed = serve(&worker, &said);
    CHECK_STR(described_packed, "used");
    CHECK_STR(described_weights, "F16→Q8_0");
    CHECK_STR(described_kv_type, "I8");

    g_autofree char *path = g_build_filename(worker.directory, "packed.bin", NULL);
    CHECK(g_file_set_contents(path, "RLLMPAK\0what is this?", 21, NULL));
    g_autofree char *stale = serve(&worker, &said_stale);
    CHECK_STR(described_packed, "stale");
    CHECK_STR(described_weights, "F16→Q8_0");
    CHECK_STR(described_kv_type, "I8");
    CHECK_STR(stale, packed);
    worker_clear(&worker);
}

/* A draft model is packed where it lies, in 8 bits as its install.json has it, and is counted. */
static void draft_packed(void) {
    struct WorkerProcess worker;
    struct Events events;
    g_autofree char *said = NULL, *said_stale = NULL, *said_alone = NULL;
    worker_prepare(&worker, NULL);
    tiny_write(&worker);
    g_autofree char *alone = serve(&worker, &said_alone);
    guint64 memory_alone = described_memory;
    CHECK_INT(described_draft, 0);

    g_autofree char *draft = g_build_filename(worker.directory, "draft", NULL);
    g_autofree char *draft_model = g_build_filename(draft, "model.gguf", NULL);
    g_autofree char *draft_packed_file = g_build_filename(draft, "packed.bin", NULL);
    g_autofree char *bytes = NULL;
    gsize size;
    g_mkdir(draft, 0700);
    REQUIRE(g_file_get_contents(worker.model, &bytes, &size, NULL));
    CHECK(g_file_set_contents(draft_model, bytes, (gssize)size, NULL));
    settings_write(draft, "{\"weights\":\"q8\"}");
    CHECK_INT(pack_path(&worker, worker.directory, &events), 0);
    CHECK_INT(events.n_bad, 0);
    events_clear(&events);
    CHECK(has_file(&worker, "draft/packed.bin") && has_file(&worker, "draft/manifest.json"));
    CHECK(manifest_number(&worker, "draft_weight_bytes") > 0);

    g_autofree char *text = serve(&worker, &said);
    CHECK_STR(text, alone);
    CHECK_STR(described_packed, "used");
    CHECK_INT(described_draft, 1);
    CHECK(described_memory >= memory_alone + manifest_number(&worker, "draft_weight_bytes"));

    CHECK(g_file_set_contents(draft_packed_file, "RLLMPAK\0what is this?", 21, NULL));
    g_autofree char *stale = serve(&worker, &said_stale);
    CHECK_STR(stale, alone);
    CHECK_STR(described_packed, "stale");
    CHECK_INT(described_draft, 1);
    g_unlink(draft_model);
    CHECK_INT(pack_path(&worker, worker.directory, &events), 1);
    CHECK(strstr(events_error_message(&events), "draft"));
    events_clear(&events);
    g_unlink(draft_packed_file);
    worker_clear(&worker);
}

static void packed_again(void) {
    struct WorkerProcess worker;
    struct Events events;
    worker_prepare(&worker, NULL);
    tiny_write(&worker);

    for (int i = 0; i < 2; i++) {
        g_autofree char *rest = g_build_filename(worker.directory, ".packed.bin.new", NULL);
        CHECK(g_file_set_contents(rest, "what an interrupted one left", -1, NULL));
        CHECK_INT(pack(&worker, &events), 0);
        events_clear(&events);
        CHECK(!has_file(&worker, ".packed.bin.new"));
        manifest_check(&worker);
    }
    worker_clear(&worker);
}

static void check_bad(const struct WorkerProcess *worker, const char *name, const char *part) {
    struct Events events;

    CHECK_INT(pack(worker, &events), 1);
    CHECK_STR(events_finish_reason(&events), "error");
    CHECK_STR(events_error_name(&events), name);
    if (!strstr(events_error_message(&events), part))
        test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", events_error_message(&events), part);
    check_nothing_left(worker);
    events_clear(&events);
}

static void bad_files(void) {
    struct WorkerProcess worker;
    worker_prepare(&worker, NULL);

    check_bad(&worker, ERROR_FAILED, "No such file");
    CHECK(g_file_set_contents(worker.model, "", 0, NULL));
    check_bad(&worker, ERROR_BAD_MODEL, "");
    CHECK(
        g_file_set_contents(worker.model, "These are no weights, and this is no GGUF.", -1, NULL));
    check_bad(&worker, ERROR_BAD_MODEL, "GGUF");
    tiny_write(&worker);
    GStatBuf status;
    g_stat(worker.model, &status);
    static const int parts[] = {10, 30, 50, 90, 99};
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        tiny_write(&worker);
        CHECK_INT(truncate(worker.model, status.st_size * parts[i] / 100), 0);
        check_bad(&worker, ERROR_BAD_MODEL, "");
    }
    g_unlink(worker.model);
    CHECK_INT(g_mkdir(worker.model, 0700), 0);
    check_bad(&worker, ERROR_FAILED, "model.gguf/model.gguf: No such file");
    g_rmdir(worker.model);
    CHECK_INT(mkfifo(worker.model, 0600), 0);
    check_bad(&worker, ERROR_BAD_MODEL, "not a regular file");
    worker_clear(&worker);
}

/* Nobody listens any more: there is no use in going on. */
static void reader_gone(void) {
    struct WorkerProcess worker;
    int fds[2], status;
    worker_prepare(&worker, NULL);
    tiny_write(&worker);
    const char *const arguments[] = {"--pack",   "--model",        worker.model,
                                     "--output", worker.directory, NULL};

    CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
    close(fds[0]);
    pid_t pid = worker_run_program(arguments, fds[1]);
    close(fds[1]);
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 1);
    check_nothing_left(&worker);
    worker_clear(&worker);
}

/* Even while it waits for a reader that does not read. */
static void terminated(void) {
    struct WorkerProcess worker;
    struct Events events;
    int fd, status;
    worker_prepare(&worker, NULL);
    tiny_write(&worker);

    events_open(&events, 4096, &fd);
    char full[4096] = "";
    CHECK_INT(write(fd, full, sizeof full), sizeof full);
    const char *const arguments[] = {"--pack",   "--model",        worker.model,
                                     "--output", worker.directory, NULL};
    pid_t pid = worker_run_program(arguments, fd);
    close(fd);
    while (!has_file(&worker, ".packed.bin.new")) g_thread_yield();
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 1);
    check_nothing_left(&worker);
    events_clear(&events);
    worker_clear(&worker);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    if (!worker_program()) return test_skip_all("RYZEN_LLM_WORKER does not name the worker");
    return TEST_MAIN({"packed and served", packed_and_served}, {"split files", split_files},
                     {"damaged alone", damaged_alone}, {"requantised", requantised},
                     {"settings obeyed", settings_obeyed}, {"draft packed", draft_packed},
                     {"packed again", packed_again}, {"bad files", bad_files},
                     {"reader gone", reader_gone}, {"terminated", terminated});
}
