/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mount.h - the share is mounted, at the start and whenever it is not there any more
 *
 * Runs in: hylics-agent (holder, and a child of it for each attempt)
 * Reads from: the kernel: mount table, device events; a device the host has made
 *
 * DOC: Who mounts
 *
 * The agent may not mount: it is sealed. The holder may, but must not wait, and a mount waits for
 * the host. So each attempt is a process of its own, which has HY_MOUNT_WAIT_MS, then it is ended.
 * What it found out is its exit code, and a sentence in a pipe:
 *
 *	mounted, or was already		nothing to do until the mount table changes
 *	there is no device of that tag	until the kernel tells of a new device
 *	anything else			said once in the log; tried again after a pause that doubles
 *					from HY_MOUNT_PAUSE_MIN_MS to HY_MOUNT_PAUSE_MAX_MS
 *
 * The mount belongs to the guest, not to us: it stays when the holder ends. The agent learns of it
 * from the mount table, see share.h; it does not depend on the holder's opinion.
 */
#ifndef AGENT_MOUNT_H
#define AGENT_MOUNT_H

#include <stdbool.h>

#include "common/ev.h"
#include "common/log.h"

struct mounter {
	struct ev_loop *loop;
	const struct hy_log *log;	/* must outlive the mounter */
	const char *dir, *tag;
	/* once, when the first attempt is over, however it ended; may be NULL */
	void (*settled)(void *object);
	void *object;
	/* its own */
	int table, devices;		/* mount table, device events; -1: not watched */
	int words;			/* of the attempt that runs, -1: none */
	struct ev_child child;		/* pid 0: none */
	struct ev_timer look, patience;
	uint64_t pause_ms;
	bool late;			/* the attempt was ended by us */
	char last[HY_ERR_MESSAGE_MAX];	/* what was said of the last failure */
};

/**
 * mount_open() - Begin to look after the share
 * @m:		loop, log, dir, tag, settled and object filled; must stay where it is
 *
 * What it cannot watch it does without, with a line in the log.
 */
void mount_open(struct mounter *m);
void mount_close(struct mounter *m);	/* the mount stays */

#endif
