/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * job.c - marks of jobs: what programs say to the agent, and what the agent tells the host
 *
 * Runs in: hylics-agent, hylics-guest, libhylics, hylics-worker, hylicsd
 * Reads from: any program of the guest (hostile to the agent); the guest (hostile to the host)
 */
#include "proto/job.h"

#include <errno.h>

#include "common/cursor.h"
#include "common/printable.h"

_Static_assert(JOBS_MAX <= HY_CHUNK_MAX, "a message is delivered whole");
_Static_assert(HY_JOBS_BATCH_MAX <= UINT8_MAX, "their number is one byte");

const char *const jobs_total_names[] = {
#define X(name, what) #name,
	JOBS_TOTALS(X)
#undef X
	NULL,
};

const char *job_state_name(unsigned int state)
{
	static const char *const names[JOB_STATES] = {
		[JOB_RUNNING] = "running", [JOB_EXITED] = "exited",
		[JOB_KILLED] = "killed", [JOB_LOST] = "lost",
	};

	return names[state];
}

static uint64_t rd_time(struct hy_rd *r)
{
	uint64_t us = hy_rd_le64(r);

	r->bad |= us > HY_JOB_US_MAX;
	return us;
}

static void rd_name(struct hy_rd *r, char name[HY_NAME_MAX + 1])
{
	hy_rd_text(r, name, HY_NAME_MAX + 1);
	r->bad |= !name[0] || !hy_is_printable(name);
}

/* Does a code belong to the state? */
static bool is_end(unsigned int state, unsigned int code)
{
	switch (state) {
	case JOB_EXITED:
		return true;
	case JOB_KILLED:
		return code > 0 && code <= JOB_SIGNAL_MAX;
	default:
		return code == 0;
	}
}

/* -- on the agent's socket -- */

size_t job_encode_begin(uint32_t id, const struct local_job_begin *m, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_JOB_BEGIN, id, out);

	hy_wr_le64(&w, m->waited_us);
	hy_wr_text(&w, m->name);
	return LOCAL_PACKET_MAX - w.left;
}

int job_decode_begin(const uint8_t *in, size_t len, struct local_job_begin *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_job_begin got;

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.waited_us = rd_time(&r);
	rd_name(&r, got.name);
	if (r.bad || r.left)
		return -EPROTO;
	*m = got;
	return 0;
}

size_t job_encode_end(uint32_t id, const struct local_job_end *m, uint8_t *out)
{
	struct hy_wr w = local_begin(LOCAL_JOB_END, id, out);

	hy_wr_u8(&w, m->state);
	hy_wr_u8(&w, m->code);
	hy_wr_le64(&w, m->ran_us);
	return LOCAL_PACKET_MAX - w.left;
}

int job_decode_end(const uint8_t *in, size_t len, struct local_job_end *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct local_job_end got;

	hy_rd_take(&r, LOCAL_HEADER_LEN);
	got.state = hy_rd_u8(&r);
	got.code = hy_rd_u8(&r);
	got.ran_us = rd_time(&r);
	if (r.bad || r.left || (got.state != JOB_EXITED && got.state != JOB_KILLED) ||
	    !is_end(got.state, got.code))
		return -EPROTO;
	*m = got;
	return 0;
}

/* -- on the channel -- */

static void wr_record(struct hy_wr *w, const struct job_record *j)
{
	hy_wr_le64(w, j->serial);
	hy_wr_u8(w, j->state);
	hy_wr_u8(w, j->code);
	hy_wr_le64(w, j->waited_us);
	hy_wr_le64(w, j->ran_us);
	hy_wr_le64(w, j->ago_us);
	hy_wr_text(w, j->name);
}

static void rd_record(struct hy_rd *r, struct job_record *j)
{
	j->serial = hy_rd_le64(r);
	j->state = hy_rd_u8(r);
	j->code = hy_rd_u8(r);
	j->waited_us = rd_time(r);
	j->ran_us = rd_time(r);
	j->ago_us = rd_time(r);
	rd_name(r, j->name);
	r->bad |= j->serial == 0 || j->state >= JOB_STATES || !is_end(j->state, j->code) ||
		  (j->state == JOB_RUNNING && j->ago_us);
}

int jobs_encode(const struct jobs_told *m, uint8_t *out, size_t room)
{
	struct hy_wr w = { .p = out, .left = room };

#define X(name, what) hy_wr_le64(&w, m->totals.name);
	JOBS_TOTALS(X)
#undef X
	hy_wr_u8(&w, (uint8_t)m->n);
	for (unsigned int i = 0; i < m->n; i++)
		wr_record(&w, &m->at[i]);
	return hy_wr_written(&w, out);
}

int jobs_decode(const uint8_t *in, size_t len, struct jobs_told *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct jobs_told got = { 0 };

#define X(name, what) got.totals.name = hy_rd_number(&r);
	JOBS_TOTALS(X)
#undef X
	got.n = hy_rd_u8(&r);
	r.bad |= got.n > HY_JOBS_BATCH_MAX;
	for (unsigned int i = 0; i < got.n && !r.bad; i++)
		rd_record(&r, &got.at[i]);
	if (r.bad || r.left)
		return -EPROTO;
	*m = got;
	return 0;
}
