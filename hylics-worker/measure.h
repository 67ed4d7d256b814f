/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure.h - measures a channel: round trips of pings, and the speed of the bulk lane beside them
 *
 * Runs in: hylics-worker
 * Reads from: the guest (hostile): an answer that fits no question is refused
 */
#ifndef WORKER_MEASURE_H
#define WORKER_MEASURE_H

#include "channel/chan.h"

struct measure {
	struct chan *chan;
	uint32_t pings;			/* how many to send */
	uint32_t ping_bytes;
	uint32_t soak_bytes;		/* length of each bulk message, 0: none */
	void (*done)(void *object);
	void *object;

	uint64_t started_ns;		/* of the process */
	uint64_t hello_ns;		/* until the channel first came up */
	uint32_t n;			/* pings answered */
	uint32_t lost;			/* pings whose answer a session's end took away */
	uint64_t sent_ns;		/* when the one under way left; 0: none is */
	uint64_t *rtt_ns;		/* pings of them */
	uint8_t *soak_data;
	struct chan_stream soak;
	bool soaking;
	uint32_t soak_id;
	uint64_t soak_from_ns, soak_spent_ns, soak_total;
};

/**
 * measure_open() - Make room for the samples
 * @m:	chan, pings, ping_bytes, soak_bytes, done and object filled
 * @e:	Error
 */
int measure_open(struct measure *m, struct hy_err *e);
void measure_close(struct measure *m);

/* The channel's up(), down() and message() go on to these. */
void measure_up(struct measure *m);
void measure_down(struct measure *m);
int measure_message(struct measure *m, const struct message *msg);

/* One JSON object on stdout: raw samples, nothing computed. */
void measure_print(const struct measure *m);

#endif
