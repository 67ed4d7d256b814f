/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * threads.h - is another thread of this process inside a system call with a socket?
 *
 * Runs in: programs in a guest
 * Reads from: /proc of the process itself
 *
 * DOC: A thread that sleeps
 *
 * A thread that waits in read() or poll() for what is behind a number goes on waiting for it when
 * something else is put there. /proc/self/task/N/syscall tells in which call a thread sleeps and
 * with which arguments: that answers it. A process that has changed its user may not read that
 * file, root alone may. Everybody may read wchan, the name of the kernel's function in which the
 * thread sleeps. So of such a process a thread counts as harmless if it sleeps where no number
 * matters: in a futex, in epoll_wait(), in a pipe, at a listening socket, for a lock of a file, for
 * time to pass.
 * Anywhere else nobody here can tell, and the move is refused. A name that a later kernel calls
 * otherwise costs moves, not bytes.
 */
#ifndef HY_LIB_THREADS_H
#define HY_LIB_THREADS_H

/**
 * threads_find() - Look for one that does
 * @sock:	Socket
 *
 * Return: 0, -EBUSY if there is one; -EACCES if one may be, and this process may not be told;
 * -errno if it cannot be found out
 */
int threads_find(int sock);

#endif
