/*
 * service_embed()
 */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "service/limits.h"
#include "service/service-internal.h"

typedef struct Embedding {
    Call call;
    char **inputs;
    ServiceEmbeddings done;
    void *userdata;
} Embedding;

static int embedding_write(Call *call, sd_bus_message *m) {
    Embedding *embedding = (Embedding *)call;
    int r = sd_bus_message_append(m, "u", (uint32_t)call->uid);
    if (r >= 0) r = sd_bus_message_append_strv(m, embedding->inputs);
    return r < 0 ? r : sd_bus_message_append(m, "a{sv}", 0);
}

/* Vectors of one length, one behind the other. */
static int vectors_read(sd_bus_message *m, size_t n, double **ret, size_t *ret_dimensions) {
    g_autofree double *vectors = NULL;
    size_t dimensions = 0, i = 0;
    int r = sd_bus_message_enter_container(m, 'a', "ad");
    for (; r >= 0; i++) {
        const void *vector;
        size_t size;
        r = sd_bus_message_read_array(m, 'd', &vector, &size);
        if (r <= 0) break;
        if (i == 0) {
            dimensions = size / sizeof(double);
            vectors = g_try_malloc_n(n, size);
            if (!vectors) return -ENOMEM;
        }
        if (i == n || size != dimensions * sizeof(double)) return -EBADMSG;
        memcpy(vectors + i * dimensions, vector, size);
    }
    if (r < 0) return r;
    if (i != n) return -EBADMSG;
    *ret = g_steal_pointer(&vectors);
    *ret_dimensions = dimensions;
    return sd_bus_message_exit_container(m);
}

static void embedding_ended(Call *call, sd_bus_message *answer, const Problem *problem) {
    Embedding *embedding = (Embedding *)call;
    size_t n = g_strv_length(embedding->inputs), n_dimensions = 0;
    g_autofree double *vectors = NULL;
    uint32_t n_tokens = 0;

    if (!problem && (vectors_read(answer, n, &vectors, &n_dimensions) < 0 ||
                     sd_bus_message_read(answer, "u", &n_tokens) < 0))
        problem = &call_answer_malformed;
    embedding->done(problem ? problem : &(Problem){0}, vectors, n, n_dimensions, n_tokens,
                    embedding->userdata);
}

static void embedding_free(Call *call) {
    g_strfreev(((Embedding *)call)->inputs);
    g_free(call);
}

static const struct CallType embedding_type = {
    .method = "Embed",
    .generates = true,
    .timeout_usec = CALL_TIMEOUT_USEC,
    .write = embedding_write,
    .ended = embedding_ended,
    .free = embedding_free,
};

static int inputs_check(const char *const *inputs, size_t n, Problem *why) {
    size_t size = 0;
    if (n == 0 || n > EMBED_INPUTS_MAX)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "There must be 1 to %u inputs.",
                           EMBED_INPUTS_MAX);
    for (size_t i = 0; i < n; i++) size += strlen(inputs[i]);
    if (size > PROMPT_SIZE_MAX)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT,
                           "The inputs have %zu bytes, the most is %u.", size, PROMPT_SIZE_MAX);
    return 0;
}

static char **inputs_copy(const char *const *inputs, size_t n) {
    char **copy = g_new0(char *, n + 1);
    for (size_t i = 0; i < n; i++) copy[i] = g_strdup(inputs[i]);
    return copy;
}

void service_embed(Service *service, const char *name, uid_t uid, const char *const *inputs,
                   size_t n, ServiceEmbeddings done, void *userdata) {
    Problem problem = {0};
    Embedding *embedding = g_new0(Embedding, 1);
    *embedding = (Embedding){{.type = &embedding_type, .uid = uid}, NULL, done, userdata};
    bool fine = inputs_check(inputs, n, &problem) == 0;
    embedding->inputs = inputs_copy(inputs, fine ? n : 0);
    service_call(service, name, &embedding->call, fine ? NULL : &problem);
}
