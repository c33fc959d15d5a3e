/*
 * Mappings in huge pages. A step reads all weights from end to end; through pages of 4 KiB that
 * takes a tenth more time, and where kernels come nearer to what memory can do up to half. To map
 * two gigabytes of them takes 200 ms, in pages of 2 MiB it is 10.
 *
 * Anonymous memory gets huge pages for the asking. A file does where the page cache holds it in
 * pieces as large, and offset and address agree modulo 2 MiB. File systems that can do that (tmpfs,
 * XFS, ext4 since Linux 6.16) do it for what is read for a mapping made here, and for what is
 * written to pages that were read so before: a new file's cost no disk, they are known to be zeros.
 * What other file systems hold in small pages is engine/settling.h's.
 *
 * Any thread.
 */
#pragma once

#include <stddef.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* The first `size` bytes of a file, to be read. munmap() it. -errno. */
int huge_map(int fd, size_t size, void **ret);
/* Zeros, to be written. NULL: no memory. */
void *huge_allocate(size_t size);
/* Brings in and maps what is not yet, at a fraction of what it costs to run into it. -EIO: the disk
 * does not give it, or the file has become shorter. */
int huge_touch(const void *data, size_t size);
/* How many of these bytes are mapped in huge pages now; data is a multiple of HUGE_PAGE, as of the
 * above. 0 as well where nobody can say: before Linux 6.7. */
size_t huge_bytes(const void *data, size_t size);
