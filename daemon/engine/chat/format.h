/* Python's two ways to fill values into a text. */
#pragma once

#include "engine/chat/builtin.h"

/* "%s is %d" % values: %s %r %d %i %f %e %g %x %c and %%, with flags, width and precision. */
Value format_percent(struct Run *run, const struct Text *format, Value values);
/* "{} {0} {name}".format(…), without what follows a colon. */
Value format_braces(struct Run *run, const struct Text *format, const struct Arguments *all);
