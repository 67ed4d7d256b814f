/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.h - what the guest tells of itself while a session lasts, shown in the counters' file
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile): it is shown, and decides nothing
 *
 * All of it has room of a fixed size, and the latest word replaces the one before. However often
 * the guest speaks, the file is written no more often than for any other counter.
 */
#ifndef WORKER_GUEST_H
#define WORKER_GUEST_H

#include <stdbool.h>
#include <stdio.h>

#include "hylics-worker/jobs.h"
#include "proto/move.h"
#include "proto/msg.h"
#include "proto/report.h"

struct guest {
	bool here;			/* a session is up; else nothing below counts */
	bool reported;
	char software[HY_VERSION_TEXT_MAX];	/* any bytes */
	char kernel[HY_VERSION_TEXT_MAX];
	struct report report;
	struct jobs jobs;
	struct move_address address[HY_TWIN_ADDRS_MAX];
	unsigned int n_addresses;
};

/* A session begins: what was told in the last one is forgotten. */
void guest_up(struct guest *g, const struct msg_hello *peer);
void guest_down(struct guest *g);

/* MSG_REPORT. Return: 0, -EPROTO */
int guest_take_report(struct guest *g, const uint8_t *in, size_t len);

/* MSG_JOBS. Return: 0, -EPROTO */
int guest_take_jobs(struct guest *g, const uint8_t *in, size_t len);

/* Write ,"guest":{...}; nothing if there is none */
void guest_print(const struct guest *g, FILE *f);

#endif
