/*
 * Why an operation on foreign data failed, in words for the person who brought the data.
 * Filled by whoever detects the problem, together with a negative errno; passed up unchanged.
 */
#pragma once

typedef struct Reason {
    char text[256]; /* one sentence without a final period; empty when nothing is known */
} Reason;

/* Formats `why` (may be NULL) and returns -error, so that `return reason_set(why, EINVAL, "...")`
 * reads well. */
int reason_set(Reason *why, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
