/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_msg.c - any bytes as the payload of a message: refused, or written again the same
 *
 * Runs in: the fuzz tests
 * Reads from: the fuzzer
 *
 * The first byte is the message's type.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/job.h"
#include "proto/modules.h"
#include "proto/msg.h"
#include "proto/report.h"

/* Bytes of a hello that are not used yet: sent as 0, not looked at. */
#define HELLO_UNUSED_AT 13
#define HELLO_UNUSED_LEN 3

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void require(int holds)
{
	if (!holds)
		abort();
}

static void try_hello(const uint8_t *in, size_t len)
{
	uint8_t out[MSG_HELLO_MAX];
	struct msg_hello m;
	int version;

	if (msg_hello_decode(in, len, &m) < 0)
		return;
	require(len >= MSG_HELLO_MIN && len <= MSG_HELLO_MAX);
	require(msg_hello_encode(&m, out, len) == (int)len);
	require(msg_hello_encode(&m, out, len - 1) == -EMSGSIZE);
	require(msg_hello_encode(&m, out, sizeof(out)) == (int)len);
	memcpy(out + HELLO_UNUSED_AT, in + HELLO_UNUSED_AT, HELLO_UNUSED_LEN);
	require(memcmp(in, out, len) == 0);
	version = msg_agree(&m, &m);
	require(version == m.proto_max);
}

static void try_bye(const uint8_t *in, size_t len)
{
	uint8_t out[MSG_BYE_MAX];
	struct msg_bye m;

	if (msg_bye_decode(in, len, &m) < 0)
		return;
	require(len >= MSG_BYE_MIN && len <= MSG_BYE_MAX);
	require(msg_bye_encode(&m, out, len) == (int)len);
	require(msg_bye_encode(&m, out, len - 1) == -EMSGSIZE);
	require(memcmp(in, out, len) == 0);
	require(msg_bye_name(m.reason)[0] != '\0');
}

static void try_count(const uint8_t *in, size_t len)
{
	uint8_t out[MSG_COUNT_LEN];
	uint64_t bytes;

	if (msg_count_decode(in, len, &bytes) < 0)
		return;
	require(len == MSG_COUNT_LEN);
	require(msg_count_encode(bytes, out, len) == (int)len);
	require(msg_count_encode(bytes, out, len - 1) == -EMSGSIZE);
	require(memcmp(in, out, len) == 0);
}

static void try_report(const uint8_t *in, size_t len)
{
	uint8_t out[REPORT_LEN];
	struct report m;

	if (report_decode(in, len, &m) < 0)
		return;
	require(len >= REPORT_MIN && len <= REPORT_MAX && m.share < REPORT_SHARES);
	require(report_share_name(m.share)[0] != '\0');
	require(m.memory_available <= m.memory_total && m.memory_total <= INT64_MAX);
	for (unsigned int i = 0; i < REPORT_CPUS; i++)
		require(m.cpu_ms[i] <= INT64_MAX && report_cpu_name(i)[0] != '\0');
	for (unsigned int i = 0; i < MOVE_REASONS; i++)
		require(m.not_offered[i] <= INT64_MAX);
	require(report_encode(&m, out, REPORT_LEN) == REPORT_LEN);
	require(report_encode(&m, out, REPORT_LEN - 1) == -EMSGSIZE);
	if (in[0] < REPORT_SHARES && len == REPORT_LEN)
		require(memcmp(in, out, len) == 0);
}

static void try_wanted(const uint8_t *in, size_t len)
{
	uint8_t out[MODULES_WANTED_MAX];
	struct modules_wanted m;

	if (modules_wanted_decode(in, len, &m) < 0)
		return;
	require(len >= MODULES_WANTED_MIN && len <= MODULES_WANTED_MAX);
	for (unsigned int i = 0; i < m.n; i++)
		require(m.at[i].port && m.at[i].name[0]);
	require(modules_wanted_encode(&m, out, len) == (int)len);
	require(modules_wanted_encode(&m, out, len - 1) == -EMSGSIZE);
	require(memcmp(in, out, len) == 0);
}

static void require_ports(const struct modules_ports *p)
{
	char text[HY_MODULE_PORTS_MAX * sizeof("65535-65535")];

	require(p->n && modules_ports_have(p, p->at[0].first) && !modules_ports_have(p, 0));
	require(modules_ports_print(p, text, sizeof(text)) == (int)strlen(text));
	require(modules_ports_print(p, text, 4) > 0 && strlen(text) <= 3);
}

static void try_module(const uint8_t *in, size_t len)
{
	uint8_t out[MODULES_STATE_MAX];
	struct modules_state m;

	if (modules_state_decode(in, len, &m) < 0)
		return;
	require(len >= MODULES_STATE_MIN && len <= MODULES_STATE_MAX);
	if (m.of) {
		require(m.number < m.of && m.of <= HY_MODULES_MAX && m.life < MODULES_LIVES);
		require_ports(&m.ports);
	}
	require(modules_state_encode(&m, out, len) == (int)len);
	require(modules_state_encode(&m, out, len - 1) == -EMSGSIZE);
	require(memcmp(in, out, len) == 0);
}

static void require_job(const struct job_record *j)
{
	require(j->serial && j->name[0] && memchr(j->name, 0, sizeof(j->name)) != NULL);
	require(job_state_name(j->state)[0] != '\0');
	require(j->waited_us <= HY_JOB_US_MAX && j->ran_us <= HY_JOB_US_MAX);
	require(j->ago_us <= (j->state == JOB_RUNNING ? 0 : HY_JOB_US_MAX));
}

static void try_jobs(const uint8_t *in, size_t len)
{
	uint8_t out[JOBS_MAX];
	struct jobs_told m;

	if (jobs_decode(in, len, &m) < 0)
		return;
	require(len >= JOBS_MIN && len <= JOBS_MAX && m.n <= HY_JOBS_BATCH_MAX);
	require(m.totals.running <= INT64_MAX && m.totals.untold <= INT64_MAX);
	for (unsigned int i = 0; i < m.n; i++)
		require_job(&m.at[i]);
	require(jobs_encode(&m, out, len) == (int)len);
	require(jobs_encode(&m, out, len - 1) == -EMSGSIZE);
	require(memcmp(in, out, len) == 0);
}

/* The table answers for every number a peer can send. */
static void check_row(uint16_t type)
{
	const struct msg_info *row = msg_info(type), *table;
	size_t n;

	table = msg_table(&n);
	require(row ? row == &table[type - 1] && row->type == type : type == 0 || type > n);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (len < 1)
		return 0;
	check_row(bytes[0]);
	switch (bytes[0]) {
	case MSG_HELLO:
		try_hello(bytes + 1, len - 1);
		break;
	case MSG_BYE:
		try_bye(bytes + 1, len - 1);
		break;
	case MSG_CREDIT:
	case MSG_SOAK_DONE:
		try_count(bytes + 1, len - 1);
		break;
	case MSG_REPORT:
		try_report(bytes + 1, len - 1);
		break;
	case MSG_MODULES_WANTED:
		try_wanted(bytes + 1, len - 1);
		break;
	case MSG_MODULE:
		try_module(bytes + 1, len - 1);
		break;
	case MSG_JOBS:
		try_jobs(bytes + 1, len - 1);
		break;
	default:
		break;
	}
	return 0;
}
