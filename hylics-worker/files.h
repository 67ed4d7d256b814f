/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * files.h - the files of the share that are open for the guest
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile): paths, what the file should be
 *
 * A file is open as long as the guest's number for it is good or a slice of it waits. Numbers are
 * void when the session ends; the slices that wait go on.
 */
#ifndef WORKER_FILES_H
#define WORKER_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/limits.h"
#include "hylics-worker/ids.h"
#include "proto/msg.h"

struct moves;
struct message;

#define FILES_NONE UINT32_MAX

struct file {
	int fd;				/* -1: the row is free */
	uint32_t id;
	uint32_t users;			/* slices that wait */
	bool named;			/* the number is good */
};

struct files {
	int share;			/* O_PATH, -1: none */
	struct file *at;		/* HY_FILES_MAX */
	uint32_t *free;
	uint32_t n_free;
	struct ids ids;
};

int files_open(struct files *t, int share, struct hy_err *e);
void files_close(struct files *t);

/* MSG_FILE_OPEN, MSG_FILE_CLOSE */
int files_take_open(struct moves *m, const struct message *msg);
int files_take_close(struct moves *m, const struct message *msg);

/* All numbers are void: the session is over. */
void files_void(struct moves *m);

/**
 * files_use() - A slice begins to wait
 * @m:		Worker
 * @id:		The guest's number
 *
 * Return: the file's row, for files_fd() and files_done(); FILES_NONE if it is not open
 */
uint32_t files_use(struct moves *m, uint32_t id);
int files_fd(const struct moves *m, uint32_t row);
void files_done(struct moves *m, uint32_t row);		/* FILES_NONE: nothing happens */

#endif
