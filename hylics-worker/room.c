/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * room.c - what a worker may where it sees nothing but the share
 *
 * Runs in: hylics-worker
 * Reads from: no untrusted input
 */
#include "hylics-worker/room.h"

#include "common/room.h"

int worker_enter_room(const char *share, uid_t uid, struct hy_err *e)
{
	const struct hy_room room = { .share = share, .uid = uid,
				      .capabilities = WORKER_ROOM_CAPABILITIES };
	int fd = -1, rc = hy_room_enter(&room, &fd, e);

	return rc < 0 ? rc : fd;
}
