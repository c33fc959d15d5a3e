#include "scheduled.h"

#include <string.h>
#include <unistd.h>

#include "engine/text/tokenizer.h"
#include "test.h"
#include "worker/generation.h"
#include "worker/limits.h"

/* ---- A scheduler that is loaded ---- */

static int open_models(void *userdata, Engine **ret, Engine **ret_draft, Reason *why) {
    const struct ScheduledModels *models = userdata;
    struct EngineOptions options = {.n_threads = 2, .max_tokens = STEP_TOKENS_MAX};
    int r = engine_open(models->fd, &options, ret, why);
    if (r < 0 || models->draft_fd < 0) return r;
    options.threads_of = *ret;
    return engine_open(models->draft_fd, &options, ret_draft, why);
}

static bool opened;

static void handle_opened(void *userdata, int r, const Reason *why) {
    if (r < 0) test_fail(__FILE__, __LINE__, "engine_open: %d %s", r, why->text);
    opened = true;
}

Scheduler *scheduled_start(const struct ScheduledModels *models, unsigned max_sequences,
                           unsigned queue, gint64 parked_grace_usec) {
    const struct SchedulerOptions options = {
        .max_sequences = max_sequences,
        .queue = queue,
        .parked_grace_usec = parked_grace_usec,
        .parked_max_usec = PARKED_MAX_USEC,
        .open = open_models,
        .opened = handle_opened,
        .userdata = (void *)models,
    };
    Scheduler *scheduler = scheduler_new(&options, NULL);

    opened = false;
    while (!opened) g_main_context_iteration(NULL, TRUE);
    return scheduler;
}

/* ---- A request and what comes of it ---- */

static void handle_finished(struct Job *job, void *userdata) {
    struct Run *run = userdata;
    run->finished = true;
    run->admitted_usec = job->admitted_usec;
    run->finish = job->finish;
    job_free(job);
    run->job = NULL;
}

static void options_fill(struct GenerateOptions *options, const struct Ask *ask) {
    const char *const named[] = {"draft",       ask->draft ? ask->draft : "off",
                                 "grammar",     ask->grammar,
                                 "json_schema", ask->schema,
                                 "stop",        ask->stop};
    options_init(options);
    options->temperature = ask->temperature;
    options_set_seed(options, 7);
    options->max_tokens = ask->max_tokens ? ask->max_tokens : 40;
    options->progress = ask->progress;
    options->ignore_eos = true;
    for (size_t i = 0; i < G_N_ELEMENTS(named); i += 2)
        if (named[i + 1]) CHECK_INT(options_set_text(options, named[i], named[i + 1]), 0);
    for (const char *const *option = ask->options; option && *option; option += 2)
        CHECK_INT(options_set_text(options, option[0], option[1]), 0);
}

int run_try(Scheduler *scheduler, struct Run *run, const struct Ask *ask, struct Failure *failure) {
    const Engine *engine = scheduler_engine(scheduler);
    struct GenerateOptions options;
    Stream *stream;
    Token *tokens;
    size_t n;
    int fd;

    *run = (struct Run){0};
    events_open(&run->events, ask->pipe_size, &fd);
    CHECK_INT(stream_new(fd, &stream), 0);
    close(fd);
    CHECK_INT(tokenizer_encode(engine_tokenizer(engine), ask->prompt, strlen(ask->prompt),
                               TOKENIZE_BOS, &tokens, &n),
              0);
    options_fill(&options, ask);
    int r = generation_new(engine, scheduler_drafting(scheduler), ask->namespace, tokens, n,
                           &options, stream, &run->job, failure);
    options_done(&options);
    if (r < 0) {
        stream_free(stream);
        return r;
    }
    run->job->finished = handle_finished;
    run->job->userdata = run;
    r = scheduler_submit(scheduler, &run->job, 1);
    if (r < 0) job_free(g_steal_pointer(&run->job));
    return r;
}

void run_start(Scheduler *scheduler, struct Run *run, const struct Ask *ask) {
    struct Failure failure = {NULL};
    CHECK_INT(run_try(scheduler, run, ask, &failure), 0);
    if (failure.name) test_fail(__FILE__, __LINE__, "%s", failure.message);
}

void run_wait(struct Run *run) {
    while (!run->finished) g_main_context_iteration(NULL, TRUE);
}

void run_finish(struct Run *run) {
    events_finish(&run->events);
    run_wait(run);
    events_drain(&run->events);
    CHECK_INT(run->events.n_bad, 0);
    CHECK_INT(run->events.n_done, 1);
}

char *run_text(Scheduler *scheduler, const struct Ask *ask) {
    struct Run run;
    run_start(scheduler, &run, ask);
    run_finish(&run);
    char *text = g_strdup(run.events.text->str);
    events_clear(&run.events);
    return text;
}
