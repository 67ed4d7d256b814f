/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * job.h - marks of jobs: what programs say to the agent, and what the agent tells the host
 *
 * Runs in: hylics-agent, hylics-guest, libhylics, hylics-worker, hylicsd
 * Reads from: any program of the guest (hostile to the agent); the guest (hostile to the host)
 *
 * Times are durations and ages, in us: no two clocks need to agree. docs/jobs.md has the whole.
 */
#ifndef HY_PROTO_JOB_H
#define HY_PROTO_JOB_H

#include "common/limits.h"
#include "proto/local.h"

/* The numbers travel. */
enum job_state { JOB_RUNNING, JOB_EXITED, JOB_KILLED, JOB_LOST, JOB_STATES };

const char *job_state_name(unsigned int state);		/* below JOB_STATES */

#define JOB_SIGNAL_MAX 64

/* LOCAL_JOB_BEGIN: the connection is this job's from here on */
struct local_job_begin {
	uint64_t waited_us;		/* from its arrival until now */
	char name[HY_NAME_MAX + 1];	/* printable, not empty */
};

/* LOCAL_JOB_END */
struct local_job_end {
	uint8_t state;			/* JOB_EXITED or JOB_KILLED */
	uint8_t code;			/* exit code; signal */
	uint64_t ran_us;		/* from its begin until its end */
};

/**
 * job_encode_begin() - Write a LOCAL_JOB_BEGIN packet; likewise job_encode_end()
 * @id:		Of the request
 * @m:		What it says
 * @out:	LOCAL_PACKET_MAX bytes
 *
 * Return: its length
 */
size_t job_encode_begin(uint32_t id, const struct local_job_begin *m, uint8_t *out);
size_t job_encode_end(uint32_t id, const struct local_job_end *m, uint8_t *out);

/**
 * job_decode_begin() - Read a LOCAL_JOB_BEGIN packet; likewise job_decode_end()
 * @in:		Whole packet, whose header said so
 * @len:	Its length
 * @m:		Set on success: times are at most HY_JOB_US_MAX, signals real, names printable
 *
 * Return: 0, -EPROTO
 */
int job_decode_begin(const uint8_t *in, size_t len, struct local_job_begin *m);
int job_decode_end(const uint8_t *in, size_t len, struct local_job_end *m);

/* Of a guest's jobs since its agent began, in the order in which they travel: name, what */
#define JOBS_TOTALS(X)                                                                             \
	X(running, "now")                                                                          \
	X(arrived, "all that were taken: those that run, and those of the next three")             \
	X(finished, "ended with exit code 0")                                                      \
	X(failed, "ended otherwise")                                                               \
	X(lost, "nobody knows how: whoever marked it was gone")                                    \
	X(dropped, "not taken: there was no room for more at once")                                \
	X(untold, "ended, and their times were not told: there was no room for them")

struct jobs_totals {
#define X(name, what) uint64_t name;
	JOBS_TOTALS(X)
#undef X
};

#define JOBS_N_TOTALS (sizeof(struct jobs_totals) / sizeof(uint64_t))

/* Names of them, in their order: JOBS_N_TOTALS, and a NULL behind. */
extern const char *const jobs_total_names[];

struct job_record {
	uint64_t serial;		/* the agent's number of it, not 0 */
	uint8_t state;			/* enum job_state */
	uint8_t code;			/* exit code, signal; else 0 */
	uint64_t waited_us;		/* from its arrival until its begin */
	uint64_t ran_us;		/* from there until its end, or until now */
	uint64_t ago_us;		/* it ended; 0 of one that runs */
	char name[HY_NAME_MAX + 1];	/* printable, not empty */
};

/* MSG_JOBS */
struct jobs_told {
	struct jobs_totals totals;
	unsigned int n;
	struct job_record at[HY_JOBS_BATCH_MAX];
};

#define JOBS_MIN (8 * JOBS_N_TOTALS + 1)
#define JOB_RECORD_MAX (36 + HY_NAME_MAX)
#define JOBS_MAX (JOBS_MIN + (size_t)HY_JOBS_BATCH_MAX * JOB_RECORD_MAX)

/**
 * jobs_encode() - Write a MSG_JOBS
 * @m:		Message
 * @out:	Room for the bytes
 * @room:	JOBS_MAX is always enough
 *
 * Return: bytes written, -EMSGSIZE
 */
int jobs_encode(const struct jobs_told *m, uint8_t *out, size_t room);

/**
 * jobs_decode() - Read a MSG_JOBS
 * @in:		Payload from the peer, a private copy
 * @len:	Its length
 * @m:		Filled on success: totals are below 2^63, the rest as in job_decode_begin()
 *
 * Return: 0, -EPROTO
 */
int jobs_decode(const uint8_t *in, size_t len, struct jobs_told *m);

#endif
