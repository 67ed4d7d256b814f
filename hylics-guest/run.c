/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - `hylics-guest run`: start a program with the preload, or say why it starts without
 *
 * Runs in: hylics-guest
 * Reads from: the program's file: whatever it holds
 *
 * The program is started in any case, and by exec(): it is this process, so that signals, exit code
 * and parent are what they would be without us.
 *
 * Whether the C library of the program can load the preload is tried, not guessed: the program's
 * own loader runs the preload as if it were a program, which ends at once with 0 (preload/next.c).
 * One that is too old, or another, says so there, and not when the program starts.
 */
#include "hylics-guest/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/own.h"
#include "common/unixsock.h"
#include "hylics-guest/program.h"

#define LIBRARY "libhylics-preload.so"
#define IN_BUILD "/../preload/" LIBRARY		/* seen from this program's folder */

static void say(const char *name, const char *words)
{
	fprintf(stderr, "hylics-guest run: %s: %s\n", name, words);
}

/* Beside this program in the build folder. */
static bool library_of_build(char *path)
{
	char exe[PATH_MAX], found[2 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n < 0)
		return false;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return false;
	*slash = '\0';
	snprintf(found, sizeof(found), "%s" IN_BUILD, exe);
	return realpath(found, path) != NULL;
}

/* Return: NULL, or why there is none that can be named in LD_PRELOAD */
static const char *library_find(char *path)
{
	const char *given = getenv("HYLICS_PRELOAD");

	if (given ? !realpath(given, path) :
	    !library_of_build(path) && !realpath(HY_LIBDIR "/" LIBRARY, path))
		return "started without Hylics: " LIBRARY " is not there (HYLICS_PRELOAD names it)";
	return strpbrk(path, " :") ? "started without Hylics: the path of " LIBRARY
				     " holds a space or colon, which LD_PRELOAD cannot" : NULL;
}

/* Its words would be the loader's, about a program nobody has heard of. */
static _Noreturn void try_in_child(const char *loader, const char *library)
{
	char *const argv[] = { (char *)loader, (char *)library, NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	execv(loader, argv);
	_exit(HY_EXIT_FAILED);
}

static bool can_load(const char *loader, const char *library)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		try_in_child(loader, library);
	if (pid < 0)
		return false;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return false;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Behind what is preloaded already, once. */
static int add_preload(const char *library, struct hy_err *e)
{
	const char *old = getenv("LD_PRELOAD");
	hy_autofree char *both = NULL;

	if (old && strstr(old, library))
		return 0;
	if (!old || !*old)
		old = library;
	else if (asprintf(&both, "%s:%s", old, library) < 0)
		return hy_err_set(e, ENOMEM, "LD_PRELOAD");
	if (setenv("LD_PRELOAD", both ? both : old, 1) < 0)
		return hy_err_set(e, errno, "LD_PRELOAD");
	return 0;
}

static bool is_agent_there(void)
{
	const char *dir = getenv("HYLICS_RUN_DIR");
	char path[HY_UNIX_PATH_MAX + 1];
	hy_autofd fd = -1;

	if ((size_t)snprintf(path, sizeof(path), "%s/agent.sock", dir ? dir : "/run/hylics") >=
	    sizeof(path))
		return false;
	fd = hy_unix_connect(path, SOCK_SEQPACKET | SOCK_NONBLOCK, NULL);
	return fd >= 0;
}

/* It is the program's, too: preload/gate.c moves nothing there, and cannot say so. */
static bool is_filtered(void)
{
	static const char name[] = "Seccomp:";
	FILE *status = fopen("/proc/self/status", "re");
	bool filtered = false;
	char line[256];

	while (status && fgets(line, sizeof(line), status)) {
		if (strncmp(line, name, sizeof(name) - 1) == 0)
			filtered = strtoul(line + sizeof(name) - 1, NULL, 10) != 0;
	}
	if (status)
		fclose(status);
	return filtered;
}

/* Gives the program the preload, or says why not. What fails here leaves a plain program. */
static void prepare(const char *name, const char *path)
{
	char loader[PATH_MAX], library[PATH_MAX], words[256];
	const char *why = program_why_not(path, loader);
	struct hy_err e = { 0 };

	if (why) {
		snprintf(words, sizeof(words), "started without Hylics: %s", why);
		say(name, words);
		return;
	}
	why = library_find(library);
	if (!why && !can_load(loader, library))
		why = "started without Hylics: its C library cannot load " LIBRARY;
	if (!why && add_preload(library, &e) < 0)
		why = e.text;
	if (!why && !is_agent_there())
		why = "no hylics-agent is there: its files are sent as ever until one is";
	if (!why && is_filtered())
		why = "a seccomp filter is there, as in Docker's containers: its files are sent "
		      "as ever (sandboxed)";
	if (why)
		say(name, why);
}

int run_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	char path[PATH_MAX];
	int rc = program_find(argv[0], path);

	(void)values;
	(void)argc;
	if (rc == 0)
		prepare(argv[0], path);
	execvp(argv[0], argv);	/* which finds out for itself, and says it better */
	return program_not_started(argv[0], errno, e);
}
