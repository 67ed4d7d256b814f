/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * space.h - a user and a network namespace that belong together, held by descriptors
 *
 * Runs in: the keeper (host, root)
 * Reads from: no untrusted input
 *
 * The user namespace owns the network namespace: a CAP_NET_ADMIN that a process has there is worth
 * something in that network and nowhere else. Its ids are those of the caller, so files look the
 * same from both sides.
 */
#ifndef HY_SPACE_H
#define HY_SPACE_H

#include "common/err.h"

struct space {
	int user;
	int net;
	int home;			/* the network namespace of who made it */
};

/**
 * space_make() - Make both namespaces and stay outside
 * @s:	Filled on success; space_close() lets go of them
 * @e:	Error
 *
 * Takes CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID and CAP_SETFCAP. The calling thread's network
 * namespace is the one space_leave() comes back to.
 */
int space_make(struct space *s, struct hy_err *e);

/**
 * space_close() - Let go; the namespaces end with the last process and socket inside
 * @s:	From space_make()
 */
void space_close(struct space *s);

/**
 * space_enter() - Move the calling process into both for good; it must have a single thread
 * @s:	From space_make()
 * @e:	Error
 */
int space_enter(const struct space *s, struct hy_err *e);

/**
 * space_visit() - Move the calling thread into the network namespace for a while
 * @s:	From space_make()
 * @e:	Error
 *
 * Sockets made and /proc/sys/net seen in between are the namespace's. space_leave() follows.
 */
int space_visit(const struct space *s, struct hy_err *e);

/* Back from space_visit(). */
void space_leave(const struct space *s);

/**
 * space_socket() - A socket of the network namespace, made from outside
 * @s:		From space_make()
 * @family:	As for socket(2)
 * @type:	As for socket(2); SOCK_CLOEXEC is added
 * @protocol:	As for socket(2)
 *
 * Return: the descriptor, the caller's, or -errno
 */
int space_socket(const struct space *s, int family, int type, int protocol);

#endif
