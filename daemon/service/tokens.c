/*
 * service_tokenize() and service_detokenize()
 */
#include <glib.h>
#include <string.h>

#include "service/limits.h"
#include "service/service-internal.h"

/* ---- Text to tokens ---- */

typedef struct Tokenizing {
    Call call;
    char *text;
    bool special, bos;
    ServiceTokens done;
    void *userdata;
} Tokenizing;

static int tokenizing_write(Call *call, sd_bus_message *m) {
    Tokenizing *self = (Tokenizing *)call;
    return sd_bus_message_append(m, "sa{sv}", self->text, 2, "special", "b", (int)self->special,
                                 "bos", "b", (int)self->bos);
}

static void tokenizing_ended(Call *call, sd_bus_message *answer, const Problem *problem) {
    Tokenizing *self = (Tokenizing *)call;
    const void *tokens = NULL;
    size_t size = 0;
    if (!problem && sd_bus_message_read_array(answer, 'i', &tokens, &size) < 0)
        problem = &call_answer_malformed;
    self->done(problem ? problem : &(Problem){0}, tokens, size / sizeof(int32_t), self->userdata);
}

static void tokenizing_free(Call *call) {
    g_free(((Tokenizing *)call)->text);
    g_free(call);
}

static const struct CallType tokenizing_type = {
    .method = "Tokenize",
    .timeout_usec = CALL_TIMEOUT_USEC,
    .write = tokenizing_write,
    .ended = tokenizing_ended,
    .free = tokenizing_free,
};

void service_tokenize(Service *service, const char *model, const char *text, bool special, bool bos,
                      ServiceTokens done, void *userdata) {
    Problem problem = {0};
    Tokenizing *self = g_new0(Tokenizing, 1);
    *self = (Tokenizing){
        {.type = &tokenizing_type, .uid = UID_NOBODYS}, NULL, special, bos, done, userdata};
    if (strlen(text) > PROMPT_SIZE_MAX)
        problem_set(&problem, PROBLEM_INVALID_ARGUMENT, "The text has %zu bytes, the most is %u.",
                    strlen(text), PROMPT_SIZE_MAX);
    else
        self->text = g_strdup(text);
    service_call(service, model, &self->call, problem.kind ? &problem : NULL);
}

/* ---- Tokens to text ---- */

typedef struct Detokenizing {
    Call call;
    int32_t *tokens;
    size_t n;
    ServiceText done;
    void *userdata;
} Detokenizing;

static int detokenizing_write(Call *call, sd_bus_message *m) {
    Detokenizing *self = (Detokenizing *)call;
    int r = sd_bus_message_append_array(m, 'i', self->tokens, self->n * sizeof *self->tokens);
    return r < 0 ? r : sd_bus_message_append(m, "a{sv}", 0);
}

static void detokenizing_ended(Call *call, sd_bus_message *answer, const Problem *problem) {
    Detokenizing *self = (Detokenizing *)call;
    const char *text = "";
    if (!problem && sd_bus_message_read(answer, "s", &text) < 0) problem = &call_answer_malformed;
    self->done(problem ? problem : &(Problem){0}, text, self->userdata);
}

static void detokenizing_free(Call *call) {
    g_free(((Detokenizing *)call)->tokens);
    g_free(call);
}

static const struct CallType detokenizing_type = {
    .method = "Detokenize",
    .timeout_usec = CALL_TIMEOUT_USEC,
    .write = detokenizing_write,
    .ended = detokenizing_ended,
    .free = detokenizing_free,
};

void service_detokenize(Service *service, const char *model, const int32_t *tokens, size_t n,
                        ServiceText done, void *userdata) {
    Problem problem = {0};
    Detokenizing *self = g_new0(Detokenizing, 1);
    *self =
        (Detokenizing){{.type = &detokenizing_type, .uid = UID_NOBODYS}, NULL, 0, done, userdata};
    if (n > TOKENS_MAX) {
        problem_set(&problem, PROBLEM_INVALID_ARGUMENT, "There are %zu tokens, the most is %u.", n,
                    TOKENS_MAX);
    } else {
        self->tokens = g_memdup2(tokens, n * sizeof *tokens);
        self->n = n;
    }
    service_call(service, model, &self->call, problem.kind ? &problem : NULL);
}
