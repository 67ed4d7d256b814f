/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * export.h - a share's socket, and the virtiofsd that serves whoever comes there
 *
 * Runs in: hylicsd
 * Reads from: nothing: what comes over the socket is virtiofsd's business
 *
 * DOC: States
 *
 * closed	No socket.
 * waiting	The socket is bound, nobody has come. No process.
 * serving	A QEMU has come; a virtiofsd has the socket and takes it. One that comes meanwhile
 *		waits in the socket's queue for the end of the first.
 * resting	A virtiofsd has ended. After a pause, which grows while they end at once, the export
 *		waits again.
 *
 * A virtiofsd that another hylicsd has started is taken over: serving. It has let go of the old
 * socket by then, unless it was about to take its QEMU; then the old path is still listened at
 * and the export cannot be opened until it has.
 */
#ifndef HYLICSD_EXPORT_H
#define HYLICSD_EXPORT_H

#include "common/log.h"
#include "hylicsd/proc.h"

struct export_config {
	int dir;			/* of the VM; its socket's and mark's place */
	const char *path;		/* of the socket */
	const char *program;		/* virtiofsd; these strings must outlive the export */
	const char *share, *cache;
	gid_t group;			/* who may come to the socket; 0: root alone */
	/* in the new virtiofsd: enter the VM's cgroup */
	int (*enter)(void *object, struct hy_err *e);
	/* it began or ended to serve; @status as for struct ev_child when it ended */
	void (*changed)(void *object, bool serving, int status);
	void *object;
	struct ev_loop *loop;
	const struct hy_log *log;
};

/* The name of its virtiofsd, and of that one's mark. */
#define EXPORT_PROC "virtiofsd"

struct export {
	struct export_config cfg;
	int listener;			/* -1: closed */
	struct proc proc;
	struct ev_timer rest;
	uint64_t began_ms, pause_ms;
};

/**
 * export_open() - Bind the socket, take over a virtiofsd that runs
 * @x:		Filled; must stay where it is; listener -1 if it was never open
 * @cfg:	Copied
 * @e:		Error: EADDRINUSE if somebody else listens there
 *
 * Open already: the next virtiofsd gets the cache mode of @cfg, and nothing else happens.
 */
int export_open(struct export *x, const struct export_config *cfg, struct hy_err *e);

/* Whether a virtiofsd serves a guest. */
bool export_serves(const struct export *x);

/**
 * export_close() - Close and remove the socket, kill the virtiofsd
 * @x:	Closed already: nothing happens but what is said of the return value
 *
 * Return: true if nothing is left; false: changed() follows when the virtiofsd has ended
 */
bool export_close(struct export *x);

/* Let go of everything and let it run: the next hylicsd takes it over. */
void export_leave(struct export *x);

#endif
