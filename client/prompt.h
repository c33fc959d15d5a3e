/*
 * The prompt of one question: the words of the command line, then what is piped in.
 */
#pragma once

/* Most bytes read from standard input: far more than any context holds, far less than memory. */
#define PROMPT_SIZE_MAX (16u << 20)

/* The words joined by blanks; "-" among them stands for standard input, which is also read when it
 * is not a terminal, and follows after an empty line. Newlines at its end are dropped, as a shell
 * does. 0; -ENODATA: there is no prompt, not said; or another -errno, said. The caller frees. */
int prompt_read(char **words, char **ret);
