/*
 * Two users of one model, through the service and a real worker: what one of them leaves unread
 * does not keep the other waiting. RYZEN_LLM_WORKER and RYZEN_LLM_MAKE_MODEL name the programs.
 */
#include "test.h"

#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <unistd.h>

#include "dbus/options.h"
#include "service/service.h"

#define N_SEQUENCES 2
#define N_STALLED 5 /* more than compute at once, and than are set aside for it */

static char *directory;
static Service *service;

static void run(char **argv) {
    g_autoptr(GError) error = NULL;
    int status;
    bool ran = g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, NULL,
                            &status, &error);
    REQUIRE(ran && status == 0);
}

static void model_install(const char *models) {
    g_autofree char *place = g_build_filename(models, "fake", NULL);
    g_autofree char *file = g_build_filename(place, "model.gguf", NULL);
    char *make[] = {(char *)g_getenv("RYZEN_LLM_MAKE_MODEL"), file, NULL};
    char *pack[] = {(char *)g_getenv("RYZEN_LLM_WORKER"),
                    (char *)"--pack",
                    (char *)"--model",
                    file,
                    (char *)"--output",
                    place,
                    NULL};
    g_mkdir_with_parents(place, 0700);
    run(make);
    run(pack);
}

static void service_open(void) {
    g_autofree char *models = g_build_filename(directory, "models", NULL);
    g_autofree char *runtime = g_build_filename(directory, "run", NULL);
    struct Config config;
    Problem why;

    model_install(models);
    config_init(&config, true);
    config_assign(&config, "Service", "ModelDirectories", models, &why);
    config_assign(&config, "Service", "RuntimeDirectory", runtime, &why);
    config_assign(&config, "Service", "WorkerExecutable", g_getenv("RYZEN_LLM_WORKER"), &why);
    config_assign(&config, "Service", "Supervisor", "spawn", &why);
    config_assign(&config, "Limits", "MaxSequences", G_STRINGIFY(N_SEQUENCES), &why);
    config_assign(&config, "Limits", "Threads", "1", &why);
    REQUIRE(service_new(&config, &service, &why) == 0);
    config_done(&config);
}

/* Its stream is one page, and is not read. */
static Request *generate(uid_t uid, uint32_t max_tokens, int *ret_fd) {
    struct GenerateOptions options;
    Request *request = NULL;
    Problem why;

    options_init(&options);
    options_set_number(&options, "max_tokens", max_tokens);
    options_set_number(&options, "ignore_eos", 1);
    const struct GenerationSpec spec = {.uid = uid, .text = "hello", .options = &options};
    if (service_generate(service, &spec, &request, &why) < 0) g_error("%s", why.text);
    options_done(&options);
    *ret_fd = request_take_stream(request);
    CHECK(fcntl(*ret_fd, F_SETPIPE_SZ, 4096) >= 0);
    return request;
}

static gboolean on_timeout(void *userdata) {
    *(bool *)userdata = true;
    return G_SOURCE_REMOVE;
}

static bool finishes(const Request *request) {
    bool timed_out = false;
    guint timer = g_timeout_add_seconds(20, on_timeout, &timed_out);
    while (!timed_out && request_state(request) != REQUEST_FINISHED)
        g_main_context_iteration(NULL, TRUE);
    if (!timed_out) g_source_remove(timer);
    return !timed_out;
}

static void stalled_readers_of_another(void) {
    Request *stalled[N_STALLED], *request;
    int fds[N_STALLED], fd;

    for (int i = 0; i < N_STALLED; i++) stalled[i] = generate(1000, 2000, &fds[i]);
    for (int i = 0; i < 2 * N_SEQUENCES + 1; i++) {
        request = generate(1001, 4, &fd);
        CHECK(finishes(request));
        CHECK_INT(request_finish_reason(request), FINISH_LENGTH);
        close(fd);
        request_unref(request);
    }
    for (int i = 0; i < N_STALLED; i++) {
        CHECK(request_state(stalled[i]) != REQUEST_FINISHED);
        close(fds[i]);
        CHECK(finishes(stalled[i]));
        CHECK_INT(request_finish_reason(stalled[i]), FINISH_CANCELLED);
        request_unref(stalled[i]);
    }
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    directory = g_dir_make_tmp("users-XXXXXX", NULL);
    service_open();
    int status = TEST_MAIN({"stalled_readers_of_another", stalled_readers_of_another});
    service_free(service);
    char *remove[] = {(char *)"rm", (char *)"-rf", directory, NULL};
    g_spawn_sync(NULL, remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
    g_free(directory);
    return status;
}
