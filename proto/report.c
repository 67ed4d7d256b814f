/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report.c - what the guest tells of itself, for whoever looks after it
 *
 * Runs in: hylics-agent, hylics-guest, hylics-worker, tests
 * Reads from: the peer on the channel (hostile)
 */
#include "proto/report.h"

#include <errno.h>

#include "common/cursor.h"

const char *report_share_name(unsigned int share)
{
	static const char *const names[REPORT_SHARES] = {
		[REPORT_SHARE_NONE] = "none",
		[REPORT_SHARE_DIRECTORY] = "directory",
		[REPORT_SHARE_VIRTIOFS] = "virtiofs",
		[REPORT_SHARE_9P] = "9p",
		[REPORT_SHARE_OTHER] = "other",
	};

	return names[share < REPORT_SHARES ? share : REPORT_SHARE_OTHER];
}

const char *report_cpu_name(unsigned int cpu)
{
#define X(name, what) #name,
	static const char *const names[REPORT_CPUS] = { REPORT_CPU(X) };
#undef X

	return names[cpu];
}

int report_encode(const struct report *m, uint8_t *out, size_t room)
{
	struct hy_wr w = { .p = out, .left = room };

	hy_wr_u8(&w, m->share);
	hy_wr_u8(&w, 0);
	hy_wr_le16(&w, m->cpus);
	hy_wr_le32(&w, m->load_100);
	hy_wr_le64(&w, m->memory_total);
	hy_wr_le64(&w, m->memory_available);
	for (unsigned int i = 0; i < REPORT_CPUS; i++)
		hy_wr_le64(&w, m->cpu_ms[i]);
	hy_wr_le16(&w, MOVE_REASONS - 1);
	for (unsigned int i = MOVE_DONE + 1; i < MOVE_REASONS; i++)
		hy_wr_le64(&w, m->not_offered[i]);
	return hy_wr_written(&w, out);
}

/* A newer guest may have its share in a way that is not known here. */
static uint8_t rd_share(struct hy_rd *r)
{
	uint8_t share = hy_rd_u8(r);

	return share < REPORT_SHARES ? share : REPORT_SHARE_OTHER;
}

static void rd_reasons(struct hy_rd *r, struct report *m)
{
	unsigned int n = hy_rd_le16(r);

	r->bad |= n > REPORT_REASONS_MAX;
	for (unsigned int i = MOVE_DONE + 1; i <= n && !r->bad; i++) {
		uint64_t *sum = &m->not_offered[i < MOVE_REASONS ? i : MOVE_ERROR];
		uint64_t more = hy_rd_number(r);

		*sum = more > INT64_MAX - *sum ? INT64_MAX : *sum + more;
	}
}

int report_decode(const uint8_t *in, size_t len, struct report *m)
{
	struct hy_rd r = { .p = in, .left = len };
	struct report got = { .share = rd_share(&r) };

	r.bad |= hy_rd_u8(&r) != 0;
	got.cpus = hy_rd_le16(&r);
	got.load_100 = hy_rd_le32(&r);
	got.memory_total = hy_rd_number(&r);
	got.memory_available = hy_rd_number(&r);
	for (unsigned int i = 0; i < REPORT_CPUS; i++)
		got.cpu_ms[i] = hy_rd_number(&r);
	rd_reasons(&r, &got);
	if (r.bad || r.left || got.memory_available > got.memory_total)
		return -EPROTO;
	*m = got;
	return 0;
}
