/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * accel.c - whether VMs can run on KVM here
 *
 * Runs in: hylics
 * Reads from: no untrusted input
 */
#include "cli/accel.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/own.h"

static bool has_word(char *words, const char *wanted)
{
	char *word;

	while ((word = strsep(&words, " \t\n")))
		if (strcmp(word, wanted) == 0)
			return true;
	return false;
}

/* The flags of the first CPU: mixed machines with and without do not exist. */
static bool cpu_virtualizes(const char *cpuinfo)
{
	hy_autofile *f = fopen(cpuinfo, "re");
	hy_autofree char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		hy_autofree char *copy = NULL;

		if (strncmp(line, "flags", 5) != 0)
			continue;
		copy = strdup(line);
		return has_word(line, "vmx") || (copy && has_word(copy, "svm"));
	}
	return false;
}

bool accel_kvm_usable(const char *cpuinfo, const char *device)
{
	hy_autofd fd = -1;

	if (!cpu_virtualizes(cpuinfo))
		return false;
	fd = open(device, O_RDWR | O_CLOEXEC);
	return fd >= 0;
}
