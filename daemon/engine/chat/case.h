/* Upper and lower case of characters, by the C library's tables of Unicode (C.UTF-8), or of ASCII
 * alone where it has none. */
#pragma once

#include "engine/chat/text.h"

enum Case { CASE_UPPER, CASE_LOWER };

bool character_is(uint32_t c, enum Case which);
/* Appends text[from .. from + size) in this case. */
void builder_add_cased(struct TextBuilder *builder, const struct Text *text, size_t from,
                       size_t size, enum Case which);
