/*
 * A model of a real shape with random weights, written to a file, so that other engines can be
 * measured on the same weights. The worker program makes it; no service takes part.
 */
#pragma once

#include "client/suite.h"

/* Of the first of options->shapes. Returns the exit code. */
int export_model(const struct SuiteOptions *options, const char *path);
/* The names of the shapes, one a line, on stdout. */
int export_list(void);
