/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jobs.h - jobs that programs mark: which run, how many there were, what the host is told of them
 *
 * Runs in: hylics-agent
 * Reads from: programs of the guest (hostile)
 *
 * A job is a connection: a client of agent.sock is one from its first LOCAL_JOB_BEGIN on, and is no
 * client any more. Whatever ends the connection ends the job. docs/jobs.md has the whole.
 */
#ifndef AGENT_JOBS_H
#define AGENT_JOBS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/ev.h"
#include "proto/job.h"

struct agent;
struct request;

struct job {
	struct agent *agent;
	uint64_t serial;		/* 0: the row is free */
	uint64_t waited_us, begun_ns;
	uid_t user;
	bool told;			/* the host knows that it runs */
	char name[HY_NAME_MAX + 1];
};

struct job_ended {
	struct job_record record;
	uint64_t ended_ns;
};

struct jobs {
	struct job at[HY_JOBS_MAX];
	unsigned int top;		/* all rows from here on are free */
	struct jobs_totals totals;
	struct job_ended ended[HY_JOBS_UNTOLD_MAX];	/* a ring: the oldest at @first */
	unsigned int first, n_ended;
	bool owed;			/* the channel had no room for it */
	struct ev_timer timer;
	struct jobs_told message;	/* what is being told; large */
};

void jobs_open(struct agent *a);		/* there are none yet */
void jobs_close(struct agent *a);	/* tells nothing more; connections end with the process */

/**
 * jobs_request() - Serve LOCAL_JOB_BEGIN
 * @a:	Agent
 * @r:	Request; r->job is set if the client is to be that job from here on
 *
 * Return: length of the answer
 */
int jobs_request(struct agent *a, struct request *r);

/**
 * jobs_watch() - Have the connection of a job
 * @j:	From jobs_request()
 * @fd:	Watched by nobody; it is the job's from here on, also if this fails: then the job is lost
 *
 * Return: 0, -errno
 */
int jobs_watch(struct job *j, int fd);

/* A session begins, if there is anything to tell; the channel has room again. */
void jobs_up(struct agent *a);
void jobs_room(struct agent *a);

#endif
