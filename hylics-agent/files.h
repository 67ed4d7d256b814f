/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * files.h - which file of the share a marker's descriptor is, and what number the host knows it by
 *
 * Runs in: hylics-agent
 * Reads from: descriptors of programs (hostile: of any kind)
 *
 * A file is remembered by device and inode while slices of it are under way and a second longer;
 * the agent's own descriptor keeps the inode from being given to another file meanwhile. Numbers
 * are never used again within a session: an open overtakes what was said before it.
 */
#ifndef AGENT_FILES_H
#define AGENT_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "hylics-agent/due.h"
#include "proto/move.h"

struct agent;
struct message;

enum file_state {
	FILE_FREE,
	FILE_UNKNOWN,			/* to the host */
	FILE_ASKED,			/* opened or about to be: slices may name it */
	FILE_REFUSED,			/* the host cannot open it: it is read here */
};

struct file {
	struct due unused;
	uint64_t dev, inode;
	uint32_t number;		/* on the wire, if ASKED */
	uint32_t users;			/* items */
	uint32_t next;			/* in its bucket, row + 1 */
	int fd;
	uint8_t state;			/* enum file_state */
};

#define FILE_BUCKETS ((size_t)2 * HY_FILES_MAX)

struct files {
	struct file *at;		/* HY_FILES_MAX */
	uint32_t *bucket;		/* row + 1, 0: none */
	uint32_t *free;
	uint32_t n_free, top;
	uint32_t last_number;
	int share;			/* -1: none */
	uint64_t share_dev, before_dev;	/* now; and of the share that was there before */
	char share_path[HY_PATH_MAX + 1];
	bool by_inode;
	struct due_queue unused;
};

/* Nothing is on the share before files_share(). */
int files_open(struct agent *a, struct hy_err *e);
void files_close(struct agent *a);

/**
 * files_share() - From here on this is the share, and no other
 * @a:		Agent
 * @share:	O_PATH of its root, taken over; -1: none
 * @dev:	Its device
 * @by_inode:	Whether host and guest know its files by the same inodes
 * @e:		Error; then there is none
 */
int files_share(struct agent *a, int share, uint64_t dev, bool by_inode, struct hy_err *e);

/**
 * file_use() - Find out what a marker's descriptor is
 * @a:		Agent
 * @fd:		From a program; taken over on success if *@file is not set
 * @file:	Set to the file of the share it is, of which the caller is a user from here on;
 *		NULL if it is none, or too many are in use: then it is to be read here
 *
 * Never waits, whatever the descriptor is.
 *
 * Return: 0; -EINVAL: it is nothing that can be read from
 */
int file_use(struct agent *a, int fd, struct file **file);
void file_done(struct agent *a, struct file *file);	/* NULL: nothing happens */

/**
 * file_number() - The number the host knows a file by; asks the host to open it if need be
 * @a:		Agent
 * @file:	In use
 * @number:	Set
 *
 * Return: 0; -EAGAIN: the channel has no room now; -ENOENT: the host cannot open it
 */
int file_number(struct agent *a, struct file *file, uint32_t *number);

/* MSG_FILE_OPENED */
int files_take_opened(struct agent *a, const struct message *msg);

/* All numbers are void: the session is over. */
void files_void(struct agent *a);

#endif
