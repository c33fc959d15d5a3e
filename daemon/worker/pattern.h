/*
 * From a regular expression (ECMA-262, what a JSON schema's `pattern` is) to an expression of GBNF
 * for the inside of a JSON string.
 *
 * Understood: characters, . [...] [^...] \d \D \w \W \s \S, the escapes \t \n \r \f \v \0 \xNN
 * \uNNNN \u{N} and those of punctuation, groups ( ) (?: ) (?<name> ), |, * + ? {m} {m,} {m,n} with
 * or without a lazy ?, and ^ and $ at the two ends of an alternative of the whole. Without them
 * anything may stand before and after. Refused by name: look-around, back references, \b, \B, \p,
 * \c, and ^ or $ elsewhere.
 */
#pragma once

#include "worker/schema-private.h"

/* -EINVAL or -ENOTSUP with a reason. */
int pattern_to_grammar(SchemaWriter *writer, const char *pattern, GString *ret, Reason *why);
