/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * job.c - hylics_job_begin(), hylics_job_end(): marks of jobs
 *
 * Runs in: programs in a guest
 * Reads from: no untrusted input; the agent's answers are not read
 *
 * A job is a connection to the agent, which closes with the program. Nothing is waited for: an
 * agent that has no time for us just now does not count the job.
 */
#include "include/hylics.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/fdpass.h"
#include "common/own.h"
#include "common/printable.h"
#include "libhylics/agent.h"
#include "proto/job.h"

#define NS_PER_US 1000u
#define EXIT_CODE_MAX 255

struct hylics_job {
	int agent;
	dev_t dev;			/* of the socket: the program may close the number, */
	ino_t ino;			/* and have another file behind it */
	uint64_t begun_ns;
};

static uint64_t at_most_a_year(uint64_t us)
{
	return us < HY_JOB_US_MAX ? us : HY_JOB_US_MAX;
}

static int tell_begin(int agent, const char *name, uint64_t waited_us)
{
	struct local_job_begin m = { .waited_us = at_most_a_year(waited_us) };
	uint8_t packet[LOCAL_PACKET_MAX];

	hy_copy_printable(m.name, sizeof(m.name), name && *name ? name : "?");
	return (int)hy_fds_send(agent, packet, job_encode_begin(1, &m, packet), NULL,
				MSG_DONTWAIT);
}

static void tell_end(const struct hylics_job *job, int status)
{
	struct local_job_end m = {
		.state = JOB_EXITED,
		.code = (uint8_t)(status < 0 || status > EXIT_CODE_MAX ? EXIT_CODE_MAX : status),
		.ran_us = at_most_a_year((hy_clock_ns() - job->begun_ns) / NS_PER_US),
	};
	uint8_t packet[LOCAL_PACKET_MAX];

	(void)hy_fds_send(job->agent, packet, job_encode_end(2, &m, packet), NULL, MSG_DONTWAIT);
}

static struct hylics_job *begin(const char *name, uint64_t waited_us)
{
	uint64_t begun_ns = hy_clock_ns();
	hy_autofd agent = agent_connect();
	struct hylics_job *job;
	struct stat st;

	if (agent < 0 || fstat(agent, &st) < 0 || tell_begin(agent, name, waited_us) < 0)
		return NULL;
	job = malloc(sizeof(*job));
	if (job)
		*job = (struct hylics_job){ .agent = hy_fd_steal(&agent), .dev = st.st_dev,
					    .ino = st.st_ino, .begun_ns = begun_ns };
	return job;
}

/* A thread that is cancelled in the middle would leave the connection open. */
struct hylics_job *hylics_job_begin(const char *name, uint64_t waited_us)
{
	int before = errno, cancel;
	struct hylics_job *job;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	job = begin(name, waited_us);
	pthread_setcancelstate(cancel, NULL);
	errno = before;
	return job;
}

void hylics_job_end(struct hylics_job *job, int status)
{
	int before = errno, cancel;

	if (!job)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (agent_is_socket(job->agent, job->dev, job->ino)) {
		tell_end(job, status);
		hy_fd_close(&job->agent);
	}
	free(job);
	pthread_setcancelstate(cancel, NULL);
	errno = before;
}
