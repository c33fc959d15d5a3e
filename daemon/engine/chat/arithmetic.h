/* + - * / // % ** of two values, as Python has them, in 64 bits: what does not fit is an error. */
#pragma once

#include "engine/chat/run.h"

Value arithmetic(struct Run *run, enum Operator operator, Value a, Value b);
Value arithmetic_negative(struct Run *run, Value a);
