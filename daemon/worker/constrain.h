/*
 * The constraint of a generation: its options `grammar` and `json_schema`, compiled for its model.
 */
#pragma once

#include "dbus/options.h"
#include "engine/sampling/constraint.h"
#include "worker/failure.h"

/* *ret is NULL without such an option. InvalidArgs or NotSupported names the option and says what
 * is wrong with it. Any thread; the constraint is for one at a time. */
int constrain(const Engine *engine, const struct GenerateOptions *options, Constraint **ret,
              struct Failure *failure);
