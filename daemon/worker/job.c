#include "worker/job.h"

#include <stdlib.h>

const char *finish_name(enum Finish finish) {
    static const char *const names[] = {
        [FINISH_NONE] = "",         [FINISH_STOP] = "stop",
        [FINISH_LENGTH] = "length", [FINISH_CANCELLED] = "cancelled",
        [FINISH_ERROR] = "error",
    };
    return names[finish];
}

void job_init(struct Job *job, const struct JobType *type, uint32_t namespace, Token *tokens,
              uint32_t n_tokens, Stream *stream) {
    mail_init(&job->mail);
    job->type = type;
    job->namespace = namespace;
    job->tokens = tokens;
    job->n_prompt = job->n_tokens = n_tokens;
    job->stream = stream;
}

void job_free(struct Job *job) {
    if (!job) return;
    g_assert(!job->sequence); /* belongs to the compute thread */
    free(job->tokens);
    stream_free(job->stream);
    job->type->free(job);
}
