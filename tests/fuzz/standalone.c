/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * standalone.c - runs a fuzz target on files, where there is no fuzzer: each is a test point
 *
 * Runs in: the fuzz tests
 * Reads from: the files and folders named on the command line
 *
 * A target that finds a fault aborts, and the plan at the end is missing.
 */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static unsigned int points, failures;

/* In memory of its exact size, so that an address sanitizer sees every read past its end. */
static uint8_t *read_input(const char *path, size_t *len)
{
	static uint8_t buf[INPUT_MAX];
	FILE *f = fopen(path, "rbe");
	uint8_t *exact;

	if (!f)
		return NULL;
	*len = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	exact = malloc(*len ? *len : 1);
	if (exact)
		memcpy(exact, buf, *len);
	return exact;
}

static void run_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t len = 0;
	uint8_t *input = read_input(path, &len);

	points++;
	if (!input) {
		failures++;
		printf("not ok %u - %s cannot be read\n", points, name);
		return;
	}
	/* said before, so that the log of a target that aborts ends with the input's name */
	printf("# %s, %zu bytes\n", name, len);
	fflush(stdout);
	LLVMFuzzerTestOneInput(input, len);
	printf("ok %u - %s\n", points, name);
	free(input);
}

static int not_hidden(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void run_folder(const char *folder)
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, not_hidden, alphasort);

	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		run_file(path);
		free(names[i]);
	}
	free(names);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			run_folder(argv[i]);
		else
			run_file(argv[i]);
	}
	if (points == 0) {
		points = failures = 1;
		printf("not ok 1 - there are inputs\n");
	}
	printf("1..%u\n", points);
	return failures ? 1 : 0;
}
