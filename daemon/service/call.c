#include "service/call.h"

const Problem call_answer_malformed = {
    PROBLEM_WORKER_DIED,
    "The model's worker gave an answer that makes no sense. Please report this."};
