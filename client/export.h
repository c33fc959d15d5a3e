/*
 * A model of a real shape with random weights, written to a file, so that other engines can be
 * measured on the same weights. The worker program makes it; no service takes part.
 */
#pragma once

/* Returns the exit code. `weights` may be NULL: the shape's own. */
int export_model(const char *shape, const char *weights, const char *path);
/* The names of the shapes, one a line, on stdout. */
int export_list(void);
