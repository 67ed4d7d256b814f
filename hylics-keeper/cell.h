/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cell.h - where a module's program runs: in the twin, in a room, behind a process of ours
 *
 * Runs in: hylics-keeper; its child, for moments as root, then as the VM's user
 * Reads from: no untrusted input
 *
 * DOC: Whose child the program is
 *
 *	keeper --fork--> warden --fork, exec--> the program, and what it starts
 *
 * The warden is the first process of a pid namespace. It goes into the twin and the room, gives up
 * everything, starts the program and waits: for the program's end, which is its own with the same
 * exit code (128 + number for a signal); for SIGTERM, which it hands on; for the end of a socket
 * that the keeper holds. When it ends, however, the kernel ends all that is in the namespace. So no
 * program outlives its keeper, also if that is killed, nor its own first process.
 *
 * A keeper that is killed takes the twin's programs at the guest's edge along, and clients would
 * wait for ever for what is in the module's sockets. So the warden holds these programs, too, in
 * the queue of that socket, and resets what is open at the port before it ends. For that it alone
 * keeps CAP_NET_ADMIN over the twin; it reads nothing from anybody.
 *
 * What the program prints, and what kept the warden from starting it, comes by a pipe.
 */
#ifndef HY_KEEPER_CELL_H
#define HY_KEEPER_CELL_H

#include <sys/types.h>

#include "common/err.h"
#include "common/room.h"
#include "twin/twin.h"

#define CELL_OWN "/run/module"		/* a program may write here, and nowhere else */
#define CELL_SHARE "/share"

struct cell_spec {
	const struct twin *twin;
	const char *share, *folder;	/* as in struct hy_room */
	const char *const *files;	/* of the host, read-only, at the same place */
	unsigned int n_files;
	uid_t uid;
	uint16_t port;			/* where it is to listen */
	char *const *argv, *const *envp;
	uint64_t memory, descriptors;	/* of each process, at most */
	uint64_t tasks;			/* of the VM's user, at most */
};

struct cell {
	pid_t pid;			/* of the warden; to be reaped by the caller */
	int life;			/* when it closes, all ends */
	int words;			/* what is printed; not blocking */
};

/**
 * cell_start() - Start a program
 * @c:		Filled on success; life and words are the caller's
 * @spec:	Needed during the call only
 * @e:		Error; what fails later is told by words and exit code CELL_FAILED
 */
int cell_start(struct cell *c, const struct cell_spec *spec, struct hy_err *e);

#define CELL_FAILED 125

/* The twin has other programs at an interface than when it was started. */
void cell_hold(const struct cell *c, const struct twin *t);

#endif
