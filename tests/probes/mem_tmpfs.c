/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem_tmpfs.c - a tmpfs of the probe's own, mounted nowhere, and files in it
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: no untrusted input
 */
#include "tests/probes/probe.h"

#include "tests/probes/mem_tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#define FILL_CHUNK (256 * 1024)

size_t mem_page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int mem_tmpfs(size_t bytes)
{
	char size[32];
	int root;
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0)
		probe_skip_all("no tmpfs of our own (fsopen: %s); needs root", strerror(errno));
	snprintf(size, sizeof(size), "%zu", bytes);
	PROBE_TRY(fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0));
	PROBE_TRY(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	root = (int)PROBE_TRY(fsmount(fs, FSMOUNT_CLOEXEC, 0));
	close(fs);
	return root;
}

int mem_file_filled(int dir, const char *name, size_t len, unsigned int stream)
{
	static unsigned char chunk[FILL_CHUNK];
	int fd = (int)PROBE_TRY(openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	for (size_t done = 0; done < len;) {
		size_t want = len - done < sizeof(chunk) ? len - done : sizeof(chunk);

		probe_fill(chunk, want, done, stream);
		done += (size_t)PROBE_TRY(pwrite(fd, chunk, want, (off_t)done));
	}
	return fd;
}

int mem_file_open(int dir, const char *name)
{
	return (int)PROBE_TRY(openat(dir, name, O_RDWR | O_CLOEXEC));
}

size_t mem_resident_pages(void *map, size_t len)
{
	size_t pages = len / mem_page_size();
	size_t resident = 0;
	unsigned char *state = malloc(pages);

	if (!state)
		probe_bail("no memory for the state of %zu pages", pages);
	PROBE_TRY(mincore(map, len, state));
	for (size_t i = 0; i < pages; i++)
		resident += state[i] & 1;
	free(state);
	return resident;
}
