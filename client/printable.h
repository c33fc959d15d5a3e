/*
 * Text from outside, made harmless for a terminal. What a model answers, what a model file calls
 * itself and what an error quotes can hold escape sequences; they are shown, not obeyed: C0
 * characters and DEL become their control pictures (ESC is U+241B), C1 characters U+FFFD.
 */
#pragma once

/* Newlines and tabs stay. The caller frees. */
char *printable_text(const char *text);
/* One line: newlines and tabs are control characters too. The caller frees. */
char *printable_line(const char *text);
