/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * room.h - what a worker may where it sees nothing but the share
 *
 * Runs in: hylics-worker
 * Reads from: no untrusted input
 */
#ifndef WORKER_ROOM_H
#define WORKER_ROOM_H

#include <linux/capability.h>
#include <sys/types.h>

#include "common/err.h"

/* A twin's servers have any port, also those below 1024; both are good in the twin alone. */
#define WORKER_CAPABILITIES (1ull << CAP_NET_ADMIN | 1ull << CAP_NET_BIND_SERVICE)
/* And files of any user of the guest. */
#define WORKER_ROOM_CAPABILITIES (WORKER_CAPABILITIES | 1ull << CAP_DAC_READ_SEARCH)

/**
 * worker_enter_room() - Go into the room the keeper has prepared, for good
 * @share:	Directory of the share, as the host has it; NULL: there is none
 * @uid:	To become
 * @e:		Error
 *
 * Return: the share, O_PATH, the caller's; -1 if there is none, else -errno
 */
int worker_enter_room(const char *share, uid_t uid, struct hy_err *e);

#endif
