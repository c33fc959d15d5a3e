/*
 * manifest.json: what the packer found out about a model. It was made by a process that parsed an
 * untrusted file, so every size and type in it is checked; unknown members are ignored.
 */
#pragma once

#include <stddef.h>

#include "service/model.h"
#include "service/problem.h"

/* Reads a manifest of the model `name`, which the directory decides, not the file. -ENOENT (with no
 * problem set) when there is none, -EBADMSG when it is not a manifest. manifest_done() frees it. */
int manifest_load(const char *path, const char *name, struct Manifest *ret, int64_t *ret_mtime,
                  Problem *why);
/* The same from bytes. */
int manifest_parse(const char *text, size_t length, const char *name, struct Manifest *ret,
                   Problem *why);
void manifest_done(struct Manifest *manifest);
