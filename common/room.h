/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * room.h - the room of a process that serves one VM: an empty root with the share in it
 *
 * Runs in: hylics-keeper (the way there, modules), hylics-worker (inside)
 * Reads from: no untrusted input
 *
 * DOC: How a process gets into its room
 *
 *	keeper's child	is born into a pid namespace of its own (hy_fork_into()), goes into the
 *			twin's user and network namespace, then into a mount and an ipc namespace
 *			that the twin's user namespace owns (hy_room_spaces()), and execs
 *	the program	still sees the host's files, with all capabilities of the user namespace and
 *			none outside: opens what it is to keep, then hy_room_enter()
 *	inside		the root is an empty tmpfs, read-only; /share is the share, read-only,
 *			nosuid nodev noexec; the host's mounts are gone; uid and gid of the VM, no
 *			groups, the named capabilities; no further user namespace can be made;
 *			Landlock, where the kernel has it, says the same of files, and of signals
 *			and abstract sockets
 *
 * A module's room has more in it: directories of programs and libraries, and some files, all of
 * them the host's and read-only, and a small place of its own that can be written to.
 *
 * The program must have read nothing from a peer before it is inside. The user namespace maps every
 * id to itself, so that CAP_DAC_READ_SEARCH there is good for files of any user of the guest: the
 * kernel wants owner and group of the inode to be mapped. What can be read is what the root shows.
 */
#ifndef HY_ROOM_H
#define HY_ROOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

enum hy_room_how {
	HY_ROOM_READ,			/* a file or directory */
	HY_ROOM_RUN,			/* a directory of programs or libraries, or a link to one */
	HY_ROOM_DEVICE,
};

/* What else is seen of the host, at the same place. */
struct hy_room_place {
	const char *path;		/* absolute, without '.', '..' and '//' */
	enum hy_room_how how;
	bool needed;			/* not to be had without it */
};

struct hy_room {
	const char *share;		/* directory, as the host has it; NULL: there is none */
	const char *folder;		/* of the share, all that is seen; NULL, "": the whole */
	uid_t uid;			/* and gid; the process's own: stays who it is */
	uint64_t capabilities;		/* bits that stay, as for hy_sandbox_bare() */
	/* for a program of others */
	const struct hy_room_place *place;
	unsigned int n_places;
	const char *own;		/* its own directory, empty, of 1 MB; NULL: none */
	bool foreign;			/* it is executed here: a sanitizer needs nothing more */
};

/**
 * hy_room_spaces() - Leave the host's mount and ipc namespace
 * @e:	Error
 *
 * In the user namespace that is to own the new ones, before exec.
 */
int hy_room_spaces(struct hy_err *e);

/**
 * hy_room_enter() - Go in, for good
 * @r:		Room
 * @share:	Set to /share, O_PATH, the caller's; -1: there is none
 * @e:		Error; the process is neither here nor there, and must end
 *
 * After hy_sandbox_started(). In builds with a sanitizer, which reads /proc, the root stays the
 * host's and Landlock is left out.
 */
int hy_room_enter(const struct hy_room *r, int *share, struct hy_err *e);

#endif
