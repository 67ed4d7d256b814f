/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem_tmpfs.h - a tmpfs of the probe's own, mounted nowhere
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: no untrusted input
 */
#ifndef HY_MEM_TMPFS_H
#define HY_MEM_TMPFS_H

#include <stddef.h>

/**
 * mem_tmpfs() - Make a tmpfs that no path leads to
 * @bytes:	Its size limit
 *
 * It is a detached mount: it lives as long as the descriptor or a file in it is open, so that not
 * even kill -9 leaves anything. Skips the whole probe where mounting is not allowed.
 *
 * Return: descriptor of its root directory, for openat(); the caller's to close
 */
int mem_tmpfs(size_t bytes);

/**
 * mem_file_filled() - Make a file and write probe_fill()'s bytes to it
 * @dir:	Directory to make it in
 * @name:	Must not exist yet
 * @len:	Bytes
 * @stream:	As for probe_fill()
 *
 * A failure ends the probe.
 *
 * Return: descriptor open for reading and writing, the caller's to close
 */
int mem_file_filled(int dir, const char *name, size_t len, unsigned int stream);

/**
 * mem_file_open() - Open a file for reading and writing
 * @dir:	Directory it is in
 * @name:	Of the file
 *
 * A failure ends the probe.
 *
 * Return: the descriptor, the caller's to close
 */
int mem_file_open(int dir, const char *name);

/**
 * mem_resident_pages() - Count the pages of a mapping that are in memory
 * @map:	Start of the mapping
 * @len:	Bytes, whole pages
 *
 * Return: how many mincore() reports
 */
size_t mem_resident_pages(void *map, size_t len);

/**
 * mem_page_size() - Bytes in a page
 */
size_t mem_page_size(void);

#endif
