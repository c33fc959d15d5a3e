#include "engine/reason.h"

#include <stdarg.h>
#include <stdio.h>

int reason_set(Reason *why, int error, const char *format, ...) {
    if (why) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(why->text, sizeof why->text, format, arguments);
        va_end(arguments);
    }
    return -error;
}
