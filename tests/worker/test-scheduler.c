/* The scheduler in one process, with a fake model: who computes when, and that it changes nothing.
 */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "engine/text/tokenizer.h"
#include "fake-model.h"
#include "scheduled.h"
#include "tiny-model.h"
#include "worker/embedding.h"
#include "worker/generation.h"
#include "worker/limits.h"
#include "worker/scheduler.h"
/* ---- What a case starts from ---- */

static Scheduler *start(const struct FakeModel *model, unsigned max_sequences, unsigned queue,
                        gint64 parked_grace_usec) {
    int fd = fake_model_open(model);
    Scheduler *scheduler =
        scheduled_start(&(struct ScheduledModels){fd, -1}, max_sequences, queue, parked_grace_usec);
    close(fd);
    return scheduler;
}

static char *long_prompt(size_t n) {
    char *prompt = g_malloc(n + 1);
    for (size_t i = 0; i < n; i++) prompt[i] = (char)('a' + i % 26);
    prompt[n] = '\0';
    return prompt;
}
/* ---- Cases ---- */

/* The same answers whoever else is there. */
static void check_together(Scheduler *scheduler, const struct Ask *asks, unsigned n) {
    g_autofree struct Run *runs = g_new(struct Run, n);
    g_autofree char **alone = g_new(char *, n);

    for (unsigned i = 0; i < n; i++) alone[i] = run_text(scheduler, &asks[i]);
    for (unsigned i = 0; i < n; i++) run_start(scheduler, &runs[i], &asks[i]);
    for (unsigned i = 0; i < n; i++) {
        run_finish(&runs[i]);
        CHECK_STR(runs[i].events.text->str, alone[i]);
        CHECK_STR(events_finish_reason(&runs[i].events), "length");
        events_clear(&runs[i].events);
        g_free(alone[i]);
    }
}

/* Greedy and drawn. */
static void alone_or_together(void) {
    const struct FakeModel model = {0};
    g_autofree char *prompt = long_prompt(900);
    const struct Ask asks[] = {
        {.prompt = "hello"},
        {.prompt = "hello", .temperature = 1.5},
        {.prompt = prompt},
        {.prompt = "one two three", .temperature = 1},
        {.prompt = "x", .max_tokens = 300},
        {.prompt = prompt + 100, .temperature = 2},
    };
    Scheduler *scheduler = start(&model, G_N_ELEMENTS(asks), 0, PARKED_GRACE_USEC);

    check_together(scheduler, asks, G_N_ELEMENTS(asks));
    scheduler_free(scheduler);
}

/* A vocabulary so large that the engine's threads sample side by side. */
static void sampled_together(void) {
    static const char *const scores[] = {"logprobs", "3", NULL};
    const struct TinyShape shape = {
        .architecture = "llama",
        .n_layers = 1,
        .n_embd = 32,
        .n_heads = 4,
        .n_kv_heads = 2,
        .head_size = 8,
        .n_ff = 48,
        .n_vocab = 40000,
        .n_rot = 8,
        .n_ctx = 400,
    };
    const struct Ask asks[] = {
        {.prompt = "hello", .options = scores},
        {.prompt = "hello", .temperature = 1, .options = scores},
        {.prompt = "abcabcabc", .draft = "lookup"},
        {.prompt = "abcabcabc", .temperature = 2, .draft = "lookup", .progress = true},
        {.prompt = "x", .grammar = "root ::= [ab]+"},
        {.prompt = "x", .grammar = "root ::= [a-z]+", .temperature = 1, .draft = "lookup"},
    };
    struct TinyModel *model = tiny_model_new(&shape);
    const struct ScheduledModels models = {tiny_model_fd(model), -1};
    Scheduler *scheduler = scheduled_start(&models, G_N_ELEMENTS(asks), 0, PARKED_GRACE_USEC);

    tiny_model_free(model);
    check_together(scheduler, asks, G_N_ELEMENTS(asks));
    scheduler_free(scheduler);
    close(models.fd);
}

/* While a long prompt is read, whoever generates gets a token in every step. */
static void long_prompt_starves_nobody(void) {
    const struct FakeModel model = {.delay_usec = 20, .n_ctx = 65536};
    Scheduler *scheduler = start(&model, 2, 0, PARKED_GRACE_USEC);
    g_autofree char *prompt = long_prompt(4000);
    struct Run speaker, reader;

    run_start(scheduler, &speaker, &(struct Ask){.prompt = "a", .max_tokens = 60000});
    CHECK(events_next(&speaker.events));
    run_start(scheduler, &reader,
              &(struct Ask){.prompt = prompt, .max_tokens = 1, .progress = true});
    /* between the first and the last of the prompt's steps, which the events count */
    CHECK(events_next(&reader.events));
    events_drain(&speaker.events);
    unsigned n_before = speaker.events.n_deltas;
    run_finish(&reader);
    events_drain(&speaker.events);
    unsigned n_steps = reader.events.n_progress;
    CHECK(n_steps > 4);
    /* four of five: a few tokens are half characters, or control tokens, and give no delta */
    CHECK(speaker.events.n_deltas - n_before >= (n_steps - 2) / 2);

    scheduler_cancel(scheduler, speaker.job);
    run_finish(&speaker);
    CHECK_STR(events_finish_reason(&speaker.events), "cancelled");
    events_clear(&speaker.events);
    events_clear(&reader.events);
    scheduler_free(scheduler);
}

static void cancel_running_and_queued(void) {
    const struct FakeModel model = {.delay_usec = 50, .n_ctx = 65536};
    Scheduler *scheduler = start(&model, 1, 4, PARKED_GRACE_USEC);
    struct Run running, queued;

    run_start(scheduler, &running, &(struct Ask){.prompt = "a", .max_tokens = 60000});
    CHECK(events_next(&running.events));
    run_start(scheduler, &queued, &(struct Ask){.prompt = "b", .max_tokens = 60000});
    scheduler_cancel(scheduler, queued.job);
    run_finish(&queued);
    CHECK_STR(events_finish_reason(&queued.events), "cancelled");
    CHECK_INT(events_usage(&queued.events, "completion_tokens"), 0);
    CHECK_INT(queued.admitted_usec, 0);
    scheduler_cancel(scheduler, running.job);
    run_finish(&running);
    CHECK_STR(events_finish_reason(&running.events), "cancelled");
    CHECK(events_usage(&running.events, "completion_tokens") > 0);
    CHECK_INT(scheduler_n_jobs(scheduler), 0);
    events_clear(&running.events);
    events_clear(&queued.events);
    scheduler_free(scheduler);
}

/* Running, reading a prompt, queued, parked: all end when their reader goes. */
static void reader_that_goes_cancels(void) {
    const struct FakeModel model = {.delay_usec = 50, .n_ctx = 65536};
    Scheduler *scheduler = start(&model, 2, 4, PARKED_GRACE_USEC);
    g_autofree char *prompt = long_prompt(60000);
    struct Run runs[3], parked;

    run_start(scheduler, &parked,
              &(struct Ask){.prompt = "p", .max_tokens = 60000, .pipe_size = 4096});
    while (scheduler_load(scheduler).n_parked == 0) g_thread_yield();
    events_close(&parked.events);
    run_wait(&parked);
    CHECK_INT(parked.finish, FINISH_CANCELLED);

    run_start(scheduler, &runs[0], &(struct Ask){.prompt = "a", .max_tokens = 60000});
    CHECK(events_next(&runs[0].events));
    run_start(scheduler, &runs[1], &(struct Ask){.prompt = prompt, .progress = true});
    CHECK(events_next(&runs[1].events));
    run_start(scheduler, &runs[2], &(struct Ask){.prompt = "c", .max_tokens = 60000});
    for (int i = 2; i >= 0; i--) {
        events_close(&runs[i].events);
        run_wait(&runs[i]);
        CHECK_INT(runs[i].finish, FINISH_CANCELLED);
        events_clear(&runs[i].events);
    }
    events_clear(&parked.events);
    scheduler_free(scheduler);
}

/* One who does not read stalls himself alone, keeps no place, and loses nothing. */
static void parked_stalls_only_itself(void) {
    const struct FakeModel model = {.n_ctx = 65536};
    const struct Ask lazy_ask = {.prompt = "lazy", .max_tokens = 2000, .pipe_size = 4096};
    Scheduler *scheduler = start(&model, 1, 8, PARKED_GRACE_USEC);
    g_autofree char *expected = run_text(scheduler, &lazy_ask);
    g_autofree char *other = run_text(scheduler, &(struct Ask){.prompt = "other"});
    struct Run lazy;

    run_start(scheduler, &lazy, &lazy_ask);
    for (int i = 0; i < 5; i++) { /* each would wait for ever behind it */
        g_autofree char *text = run_text(scheduler, &(struct Ask){.prompt = "other"});
        CHECK_STR(text, other);
    }
    CHECK_INT(scheduler_load(scheduler).n_parked, 1);
    CHECK(!lazy.finished);
    run_finish(&lazy);
    CHECK_STR(lazy.events.text->str, expected);
    CHECK_STR(events_finish_reason(&lazy.events), "length");
    CHECK_INT(events_usage(&lazy.events, "completion_tokens"), 2000);
    events_clear(&lazy.events);
    scheduler_free(scheduler);
}

/* Once the parked ones hold all the memory they may, the first of them makes room. */
static void parked_gives_way(void) {
    const struct FakeModel model = {.n_ctx = 65536};
    const struct Ask lazy = {.prompt = "lazy", .max_tokens = 9000, .pipe_size = 4096};
    Scheduler *scheduler = start(&model, 1, 8, 0);
    struct Run parked[2];

    for (int i = 0; i < 2; i++) {
        run_start(scheduler, &parked[i], &lazy);
        while (scheduler_load(scheduler).n_parked <= (unsigned)i) g_thread_yield();
    }
    g_autofree char *text = run_text(scheduler, &(struct Ask){.prompt = "other"});
    CHECK(*text);
    run_finish(&parked[0]);
    CHECK_STR(events_finish_reason(&parked[0].events), "error");
    CHECK_STR(events_error_name(&parked[0].events), ERROR_CANCELLED);
    run_finish(&parked[1]);
    CHECK_STR(events_finish_reason(&parked[1].events), "length");
    for (int i = 0; i < 2; i++) events_clear(&parked[i].events);
    scheduler_free(scheduler);
}

static void busy_past_the_queue(void) {
    const struct FakeModel model = {.delay_usec = 50, .n_ctx = 65536};
    Scheduler *scheduler = start(&model, 1, 1, PARKED_GRACE_USEC);
    struct Failure failure = {NULL};
    struct Run first, second, third;

    run_start(scheduler, &first, &(struct Ask){.prompt = "a", .max_tokens = 60000});
    run_start(scheduler, &second, &(struct Ask){.prompt = "b"});
    CHECK_INT(run_try(scheduler, &third, &(struct Ask){.prompt = "c"}, &failure), -EBUSY);
    scheduler_cancel(scheduler, first.job);
    run_finish(&first);
    run_finish(&second);
    CHECK_STR(events_finish_reason(&second.events), "length");
    events_clear(&first.events);
    events_clear(&second.events);
    events_clear(&third.events);
    scheduler_free(scheduler);
}

/* Of those who wait, a namespace with fewer running goes first. */
static void namespaces_take_turns(void) {
    const struct FakeModel model = {.delay_usec = 50, .n_ctx = 65536};
    Scheduler *scheduler = start(&model, 4, 8, PARKED_GRACE_USEC);
    struct Run many[6], few[2];

    for (int i = 0; i < 6; i++)
        run_start(scheduler, &many[i],
                  &(struct Ask){.prompt = "a", .namespace = 1, .max_tokens = 60000});
    CHECK(events_next(&many[3].events));
    for (int i = 0; i < 2; i++)
        run_start(scheduler, &few[i],
                  &(struct Ask){.prompt = "b", .namespace = 2, .max_tokens = 60000});
    CHECK(events_next(&few[0].events)); /* besides */
    scheduler_cancel(scheduler, many[0].job);
    scheduler_cancel(scheduler, many[1].job);
    CHECK(events_next(&few[1].events));
    CHECK(!many[4].finished);
    for (int i = 5; i >= 2; i--) scheduler_cancel(scheduler, many[i].job); /* who waits first */
    for (int i = 0; i < 2; i++) scheduler_cancel(scheduler, few[i].job);
    for (int i = 0; i < 6; i++) run_finish(&many[i]);
    for (int i = 0; i < 2; i++) run_finish(&few[i]);
    CHECK_INT(many[4].admitted_usec, 0);
    for (int i = 0; i < 6; i++) events_clear(&many[i].events);
    for (int i = 0; i < 2; i++) events_clear(&few[i].events);
    scheduler_free(scheduler);
}

/* Answers without an end take all places: another user is served nevertheless, and one who has his
 * place waits for the next. */
static void a_place_besides(void) {
    const struct FakeModel model = {.delay_usec = 50, .n_ctx = 65536};
    Scheduler *scheduler = start(&model, 2, 8, PARKED_GRACE_USEC);
    struct Run many[3];

    for (int i = 0; i < 3; i++)
        run_start(scheduler, &many[i],
                  &(struct Ask){.prompt = "a", .namespace = 1, .max_tokens = 60000});
    CHECK(events_next(&many[1].events));
    for (uint32_t namespace = 2; namespace < 6; namespace ++)
        g_free(run_text(scheduler, &(struct Ask){.prompt = "b", .namespace = namespace}));
    for (int i = 0; i < 3; i++) CHECK(!many[i].finished);
    for (int i = 2; i >= 0; i--) scheduler_cancel(scheduler, many[i].job); /* who waits first */
    for (int i = 0; i < 3; i++) run_finish(&many[i]);
    CHECK_INT(many[2].admitted_usec, 0);
    for (int i = 0; i < 3; i++) events_clear(&many[i].events);
    scheduler_free(scheduler);
}

static void end_of_the_context(void) {
    const struct FakeModel model = {.n_ctx = 64};
    Scheduler *scheduler = start(&model, 1, 0, PARKED_GRACE_USEC);
    g_autofree char *prompt = long_prompt(58); /* and BOS, and the leading space: 60 tokens */
    g_autofree char *too_long = long_prompt(62);
    struct Failure failure = {NULL};
    struct Run run;

    run_start(scheduler, &run, &(struct Ask){.prompt = prompt, .max_tokens = 100});
    run_finish(&run);
    CHECK_STR(events_finish_reason(&run.events), "length");
    CHECK_INT(events_usage(&run.events, "prompt_tokens"), 60);
    CHECK_INT(events_usage(&run.events, "completion_tokens"), 4);
    events_clear(&run.events);

    CHECK(run_try(scheduler, &run, &(struct Ask){.prompt = too_long}, &failure) < 0);
    CHECK_STR(failure.name, ERROR_CONTEXT_TOO_LONG);
    CHECK_STR(failure.message, "The prompt has 64 tokens; the context holds 64, with the answer.");
    events_clear(&run.events);
    scheduler_free(scheduler);
}

static void stop_string_ends(void) {
    const struct FakeModel model = {0};
    Scheduler *scheduler = start(&model, 1, 0, PARKED_GRACE_USEC);
    g_autofree char *text = run_text(scheduler, &(struct Ask){.prompt = "tell", .max_tokens = 80});
    const char *from = g_utf8_offset_to_pointer(text, 15);
    g_autofree char *stop = g_strndup(from, (gsize)(g_utf8_offset_to_pointer(from, 3) - from));
    g_autofree char *expected = g_strndup(text, (gsize)(strstr(text, stop) - text));
    struct Run run;

    run_start(scheduler, &run, &(struct Ask){.prompt = "tell", .max_tokens = 80, .stop = stop});
    run_finish(&run);
    CHECK_STR(run.events.text->str, expected);
    CHECK_STR(events_finish_reason(&run.events), "stop");
    events_clear(&run.events);
    scheduler_free(scheduler);
}

/* One answer under a grammar or a schema, and how it ended. The vocabulary has half a character
 * (0xC3) that nothing completes. */
static void check_constrained(Scheduler *scheduler, const struct Ask *ask, const char *pattern,
                              const char *finish) {
    struct Run run;
    run_start(scheduler, &run, ask);
    run_finish(&run);
    const char *text = run.events.text->str;
    if (!g_regex_match_simple(pattern, text, G_REGEX_DOLLAR_ENDONLY, 0))
        test_fail(__FILE__, __LINE__, "\"%s\" does not match %s", text, pattern);
    CHECK_STR(events_finish_reason(&run.events), finish);
    events_clear(&run.events);
}

/* The model would say something else, greedily and by chance. */
static void constrained(void) {
    const struct FakeModel model = {0};
    Scheduler *scheduler = start(&model, 2, 0, PARKED_GRACE_USEC);
    static const struct {
        struct Ask ask;
        const char *pattern, *finish;
    } CASES[] = {
        {{.prompt = "hello", .grammar = "root ::= [ab]{7}"}, "^[ab]{7}$", "stop"},
        {{.prompt = "hello", .grammar = "root ::= [ab]*"}, "^[ab]{40}$", "length"},
        {{.prompt = "hello", .grammar = "root ::= [\u20ac\U0001F600]{5}", .temperature = 1},
         "^[\u20ac\U0001F600]{5}$",
         "stop"},
        {{.prompt = "hello", .grammar = "root ::= [ab]{3} \"xyz\" [ab]*", .stop = "xy"},
         "^[ab]{3}$",
         "stop"},
        {{.prompt = "hello", .schema = "{\"enum\":[\"one\",\"two\",null]}", .temperature = 1},
         "^(\"one\"|\"two\"|null)$",
         "stop"},
        {{.prompt = "x", .schema = "{\"type\":\"string\",\"pattern\":\"^(ab|c){3}$\"}"},
         "^\"(ab|c){3}\"$",
         "stop"},
        {{.prompt = "x", .grammar = "root ::= \"\""}, "^$", "stop"},
        {{.prompt = "x", .grammar = "root ::= \"ab1\""}, "^ab$", "error"}, /* no token has a 1 */
    };
    for (size_t i = 0; i < G_N_ELEMENTS(CASES); i++)
        check_constrained(scheduler, &CASES[i].ask, CASES[i].pattern, CASES[i].finish);
    scheduler_free(scheduler);
}

/* Everything that was accepted comes back, told that it was cancelled. */
static void freed_while_running(void) {
    const struct FakeModel model = {.delay_usec = 50, .n_ctx = 65536};
    Scheduler *scheduler = start(&model, 2, 8, PARKED_GRACE_USEC);
    struct Run runs[4];

    for (int i = 0; i < 4; i++)
        run_start(scheduler, &runs[i], &(struct Ask){.prompt = "a", .max_tokens = 60000});
    CHECK(events_next(&runs[0].events));
    scheduler_free(scheduler);
    for (int i = 0; i < 4; i++) {
        CHECK(runs[i].finished);
        events_finish(&runs[i].events);
        CHECK_STR(events_finish_reason(&runs[i].events), "cancelled");
        events_clear(&runs[i].events);
    }
}

/* ---- Embeddings ---- */

static double *embed_result;

static void handle_embedded(struct Job *job, void *userdata) {
    size_t n;
    const double *vector = embedding_vector(job, &n);
    CHECK_INT(job->finish, FINISH_STOP);
    CHECK_INT(n, 8);
    embed_result = g_memdup2(vector, n * sizeof *vector);
    job_free(job);
}

static struct Job *embedding_of(const Engine *engine, const char *text) {
    struct Failure failure;
    struct Job *job;
    Token *tokens;
    size_t n;

    tokenizer_encode(engine_tokenizer(engine), text, strlen(text), TOKENIZE_BOS, &tokens, &n);
    CHECK_INT(embedding_new(engine, 0, tokens, n, &job, &failure), 0);
    return job;
}

static double *embed(Scheduler *scheduler, const char *text) {
    struct Job *job = embedding_of(scheduler_engine(scheduler), text);

    job->finished = handle_embedded;
    embed_result = NULL;
    CHECK_INT(scheduler_submit(scheduler, &job, 1), 0);
    while (!embed_result) g_main_context_iteration(NULL, TRUE);
    return embed_result;
}

/* Of length 1, and the same in one step or cut into many because somebody else generates. */
static void embedding(void) {
    const struct FakeModel model = {.n_ctx = 65536, .delay_usec = 20};
    Scheduler *scheduler = start(&model, 2, 2, PARKED_GRACE_USEC);
    g_autofree char *text = long_prompt(1500);
    g_autofree double *alone = embed(scheduler, text);
    struct Run speaker;
    double square = 0;

    run_start(scheduler, &speaker, &(struct Ask){.prompt = "a", .max_tokens = 60000});
    CHECK(events_next(&speaker.events));
    g_autofree double *together = embed(scheduler, text);
    for (int i = 0; i < 8; i++) {
        CHECK(alone[i] == together[i]);
        square += alone[i] * alone[i];
    }
    CHECK_NEAR(square, 1, 1e-12);
    scheduler_cancel(scheduler, speaker.job);
    run_finish(&speaker);
    events_clear(&speaker.events);
    scheduler_free(scheduler);
}

static unsigned n_embedded;

static void handle_counted(struct Job *job, void *userdata) {
    n_embedded++;
    job_free(job);
}

/* The queue counts calls, however many inputs one of them has. */
static void many_inputs_are_one_call(void) {
    const struct FakeModel model = {.delay_usec = 100};
    Scheduler *scheduler = start(&model, 2, 0, PARKED_GRACE_USEC);
    struct Job *jobs[20];
    struct Run run;

    n_embedded = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(jobs); i++) {
        jobs[i] = embedding_of(scheduler_engine(scheduler), "some text");
        jobs[i]->finished = handle_counted;
    }
    CHECK_INT(scheduler_submit(scheduler, jobs, G_N_ELEMENTS(jobs)), 0);
    run_start(scheduler, &run, &(struct Ask){.prompt = "a", .namespace = 1, .max_tokens = 3});
    run_finish(&run);
    CHECK(n_embedded < G_N_ELEMENTS(jobs)); /* and another user does not wait for them all */
    while (n_embedded < G_N_ELEMENTS(jobs)) g_main_context_iteration(NULL, TRUE);
    events_clear(&run.events);
    run_start(scheduler, &run, &(struct Ask){.prompt = "a"}); /* nothing is counted for ever */
    run_finish(&run);
    events_clear(&run.events);
    CHECK_INT(scheduler_n_jobs(scheduler), 0);
    scheduler_free(scheduler);
}

static void answers_the_watchdog(void) {
    const struct FakeModel model = {0};
    Scheduler *scheduler = start(&model, 1, 0, PARKED_GRACE_USEC);

    CHECK(scheduler_is_alive(scheduler));
    /* idle, it answers too: each ping wakes it */
    for (int i = 0; i < 3; i++)
        while (!scheduler_is_alive(scheduler)) g_thread_yield();
    scheduler_free(scheduler);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    return TEST_MAIN(
        {"alone or together", alone_or_together}, {"sampled together", sampled_together},
        {"long prompt starves nobody", long_prompt_starves_nobody},
        {"cancel running and queued", cancel_running_and_queued},
        {"reader that goes cancels", reader_that_goes_cancels},
        {"parked stalls only itself", parked_stalls_only_itself},
        {"parked gives way", parked_gives_way}, {"busy past the queue", busy_past_the_queue},
        {"namespaces take turns", namespaces_take_turns}, {"a place besides", a_place_besides},
        {"end of the context", end_of_the_context}, {"stop string ends", stop_string_ends},
        {"grammars and schemas", constrained}, {"freed while running", freed_while_running},
        {"embedding", embedding}, {"many inputs are one call", many_inputs_are_one_call},
        {"answers the watchdog", answers_the_watchdog});
}
