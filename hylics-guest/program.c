/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * program.c - can a program be given the preload?
 *
 * Runs in: hylics-guest
 * Reads from: the program's file: whatever it holds
 *
 * What is wrong with a file the kernel says when it starts it. Here everything that is not a
 * dynamic program of this machine and of a C library like glibc is a reason to start it plainly.
 */
#include "hylics-guest/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/own.h"

#define SCRIPTS_MAX 5		/* the kernel follows no more */
#define LINE_MAX_BYTES 256	/* of a script's first line, it reads no more */
#define HEADERS_MAX 128
#define NOTES_MAX 4096
#define PATH_DEFAULT "/bin:/usr/bin"
#define EXIT_NOT_STARTED 126
#define EXIT_NOT_FOUND 127

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#define MACHINE EM_NONE
#endif

static const char no_program[] = "its file cannot be read";
static const char is_static[] = "it is statically linked";
static const char is_foreign[] = "it is a program of another kind of machine";
static const char has_rights[] = "it takes another user's rights, or capabilities";
static const char is_go[] = "it is a Go program, which calls the kernel directly";
static const char other_libc[] = "it uses another C library than glibc";

/* -- which file -- */

/* As execvp(3) goes on: over what is not there, and over what may not be started. */
static int try_path(const char *dir, size_t len, const char *name, char *path)
{
	struct stat st;
	int n = snprintf(path, PATH_MAX, "%.*s%s%s", (int)len, dir, len ? "/" : "", name);

	if (n < 0 || n >= PATH_MAX)
		return -ENAMETOOLONG;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

int program_find(const char *name, char *path)
{
	const char *at = getenv("PATH");
	int rc, worst = -ENOENT;

	if (!*name)
		return -ENOENT;
	if (strchr(name, '/'))
		return try_path("", 0, name, path);
	for (at = at ? at : PATH_DEFAULT;; at++) {
		size_t len = strcspn(at, ":");

		rc = try_path(at, len, name, path);
		if (rc == 0)
			return 0;
		if (rc == -EACCES)
			worst = rc;
		at += len;
		if (!*at)
			return worst;
	}
}

const char *program_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int program_not_started(const char *name, int err, struct hy_err *e)
{
	hy_err_set(e, err, "'%s': start it", name);
	return err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_STARTED;
}

/* -- what it is -- */

/* "#!/bin/sh -e": who runs the script; false if it is none. */
static bool script_runner(const char *head, size_t len, char *runner)
{
	const char *at = head + 2, *end = memchr(head, '\n', len);
	size_t n;

	if (len < 2 || head[0] != '#' || head[1] != '!')
		return false;
	if (!end)
		end = head + len;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	for (n = 0; at + n < end && at[n] != ' ' && at[n] != '\t' && at[n] != '\0'; n++)
		;
	memcpy(runner, at, n);
	runner[n] = '\0';
	return true;
}

/* Go writes its build's name into a note of its own. */
static bool has_go_note(int fd, const Elf64_Phdr *p)
{
	char notes[NOTES_MAX] __attribute__((aligned(8)));
	ssize_t n = pread(fd, notes, p->p_filesz < NOTES_MAX ? p->p_filesz : NOTES_MAX,
			  (off_t)p->p_offset);
	size_t at = 0, have = n < 0 ? 0 : (size_t)n;
	Elf64_Nhdr h;

	while (have - at >= sizeof(h) + 4) {
		uint64_t next;

		memcpy(&h, notes + at, sizeof(h));
		if (h.n_namesz == 4 && memcmp(notes + at + sizeof(h), "Go\0", 4) == 0)
			return true;
		next = at + sizeof(h) + (((uint64_t)h.n_namesz + 3) & ~UINT64_C(3)) +
		       (((uint64_t)h.n_descsz + 3) & ~UINT64_C(3));
		if (next > have)
			break;
		at = (size_t)next;
	}
	return false;
}

static bool read_at(int fd, uint64_t offset, void *to, size_t len)
{
	return pread(fd, to, len, (off_t)offset) == (ssize_t)len;
}

static const char *look_at_headers(int fd, const Elf64_Ehdr *e, char *loader)
{
	bool go = false;
	Elf64_Phdr p;

	*loader = '\0';
	if (e->e_phentsize != sizeof(p))
		return no_program;
	for (unsigned int i = 0; i < e->e_phnum && i < HEADERS_MAX; i++) {
		if (!read_at(fd, e->e_phoff + i * sizeof(p), &p, sizeof(p)))
			return no_program;
		if (p.p_type == PT_NOTE)
			go = go || has_go_note(fd, &p);
		if (p.p_type != PT_INTERP)
			continue;
		if (p.p_filesz == 0 || p.p_filesz > PATH_MAX ||
		    !read_at(fd, p.p_offset, loader, p.p_filesz))
			return no_program;
		loader[p.p_filesz - 1] = '\0';
	}
	if (go)
		return is_go;
	if (!*loader)
		return is_static;
	return strncmp(program_name(loader), "ld-linux", 8) == 0 ? NULL : other_libc;
}

static const char *look_at_elf(int fd, const char *head, size_t len, char *loader)
{
	Elf64_Ehdr e;

	if (len < sizeof(e) || memcmp(head, ELFMAG, SELFMAG) != 0)
		return no_program;
	memcpy(&e, head, sizeof(e));
	if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB ||
	    e.e_machine != MACHINE)
		return is_foreign;
	return look_at_headers(fd, &e, loader);
}

/* The loader of a program that runs with other rights than its caller ignores the preload. */
static bool takes_rights(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & S_ISUID) ||
	       ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP)) ||
	       fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

const char *program_why_not(const char *path, char *loader)
{
	char head[LINE_MAX_BYTES], runner[LINE_MAX_BYTES];

	for (unsigned int i = 0; i < SCRIPTS_MAX; i++) {
		hy_autofd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof(head), 0);

		if (n < 0)
			return no_program;
		if (!script_runner(head, (size_t)n, runner))
			return takes_rights(fd) ? has_rights :
			       look_at_elf(fd, head, (size_t)n, loader);
		path = runner;
	}
	return no_program;
}
