/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure.c - measures a channel: round trips of pings, and the speed of the bulk lane beside them
 *
 * Runs in: hylics-worker
 * Reads from: the guest (hostile): an answer that fits no question is refused
 *
 * One ping at a time. A soak message follows the other as long as pings go on, so that every ping
 * meets a full bulk lane.
 */
#include "hylics-worker/measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/own.h"

int measure_open(struct measure *m, struct hy_err *e)
{
	hy_autofree uint64_t *rtt_ns = calloc(m->pings ? m->pings : 1, sizeof(*rtt_ns));
	hy_autofree uint8_t *data = malloc(m->soak_bytes ? m->soak_bytes : 1);

	if (!rtt_ns || !data)
		return hy_err_set(e, ENOMEM, "room for %u samples and %u bytes", m->pings,
				  m->soak_bytes);
	for (uint32_t i = 0; i < m->soak_bytes; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 24);
	m->rtt_ns = hy_ptr_steal(&rtt_ns);
	m->soak_data = hy_ptr_steal(&data);
	return 0;
}

void measure_close(struct measure *m)
{
	hy_mem_free(&m->rtt_ns);
	hy_mem_free(&m->soak_data);
}

static void send_ping(struct measure *m)
{
	uint8_t bytes[MSG_PING_MAX];

	memset(bytes, (int)(m->n & 0xff), m->ping_bytes);
	m->sent_ns = hy_clock_ns();
	/* one at a time: there is always room; id 0 is the channel's own */
	if (chan_send(m->chan, MSG_PING, m->n + 1, bytes, m->ping_bytes) < 0)
		m->sent_ns = 0;
}

static void soak_sent(struct chan_stream *s, int rc)
{
	(void)s;
	(void)rc;		/* the time is taken when the guest says it has all of it */
}

static void send_soak(struct measure *m)
{
	m->soak = (struct chan_stream){ .type = MSG_SOAK, .id = ++m->soak_id, .data = m->soak_data,
					.total = m->soak_bytes, .done = soak_sent, .object = m };
	m->soak_from_ns = hy_clock_ns();
	m->soaking = chan_send_stream(m->chan, &m->soak) == 0;
}

static bool finished(const struct measure *m)
{
	return m->n == m->pings && (!m->soak_bytes || m->soak_total);
}

void measure_up(struct measure *m)
{
	if (!m->hello_ns)
		m->hello_ns = hy_clock_ns() - m->started_ns;
	if (m->soak_bytes)
		send_soak(m);
	if (m->n < m->pings)
		send_ping(m);
	else if (finished(m))
		m->done(m->object);
}

void measure_down(struct measure *m)
{
	m->lost += m->sent_ns != 0;
	m->sent_ns = 0;
	m->soaking = false;
}

static int take_pong(struct measure *m, const struct message *msg)
{
	if (!m->sent_ns || msg->id != m->n + 1 || msg->len != m->ping_bytes)
		return -EPROTO;
	m->rtt_ns[m->n++] = hy_clock_ns() - m->sent_ns;
	m->sent_ns = 0;
	hy_fault(FAULT_PING_ANSWERED);
	if (m->n < m->pings)
		send_ping(m);
	return 0;
}

static int take_soak_done(struct measure *m, const struct message *msg)
{
	uint64_t bytes;

	if (!m->soaking || msg->id != m->soak_id ||
	    msg_count_decode(msg->payload, msg->len, &bytes) < 0 || bytes != m->soak_bytes)
		return -EPROTO;
	m->soak_spent_ns += hy_clock_ns() - m->soak_from_ns;
	m->soak_total += bytes;
	m->soaking = false;
	if (m->n < m->pings)
		send_soak(m);
	return 0;
}

/* What the agent says whether anybody asks or not; nothing is moved here. */
static bool is_unasked(uint16_t type)
{
	return type == MSG_ADDRESSES || type == MSG_REPORT || type == MSG_MODULES_WANTED ||
	       type == MSG_JOBS;
}

int measure_message(struct measure *m, const struct message *msg)
{
	int rc = -EPROTO;

	if (msg->info->type == MSG_PONG)
		rc = take_pong(m, msg);
	else if (msg->info->type == MSG_SOAK_DONE)
		rc = take_soak_done(m, msg);
	else if (is_unasked(msg->info->type))
		return 0;
	if (rc == 0 && finished(m) && !m->soaking)
		m->done(m->object);
	return rc;
}

/* syscalls: fstat, ioctl(_, TCGETS), newfstatat, write */
void measure_print(const struct measure *m)
{
	printf("{\"transport\":\"%s\",\"hello_ms\":%.3f,\"lost\":%u,\"rtt_us\":[",
	       chan_kind_name(m->chan->cfg.addr.kind), (double)m->hello_ns / HY_NS_PER_MS,
	       m->lost);
	for (uint32_t i = 0; i < m->n; i++)
		printf("%s%.1f", i ? "," : "", (double)m->rtt_ns[i] / 1000);
	printf("]");
	if (m->soak_bytes)
		printf(",\"soak\":{\"bytes\":%llu,\"seconds\":%.6f}",
		       (unsigned long long)m->soak_total, (double)m->soak_spent_ns / HY_NS_PER_S);
	printf("}\n");
	fflush(stdout);
}
