/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_decide_cost.c - what a decision costs with 200 VMs: printed, and never asserted
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 *
 * Reading a worker's words, asking the law, dividing the budget twice: all of a decision but the
 * reading of the file and what is told of it. How long it takes is the machine's affair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/show.h"
#include "hylics-worker/jobs.h"
#include "hylicsd/decide.h"
#include "hylicsd/handout.h"

#define MB (UINT64_C(1) << 20)
#define VMS 200
#define DECISIONS 2000

static struct vm_now {
	struct decide decide;
	struct jobs jobs;
} vm[VMS];
static struct handout at[VMS];
static struct claim room[VMS];

static void jobs_end(struct jobs *js, uint64_t n)
{
	static struct jobs_told m;
	uint8_t bytes[JOBS_MAX];

	m = (struct jobs_told){ .totals = { .arrived = js->totals.arrived + n }, .n = (uint8_t)n };
	for (unsigned int i = 0; i < n; i++)
		m.at[i] = (struct job_record){ .serial = js->totals.arrived + i + 1,
					       .state = JOB_EXITED, .name = "pigz",
					       .ran_us = 1000 * (uint64_t)(random() % 3000) };
	assert_int_equal(jobs_take(js, bytes, (size_t)jobs_encode(&m, bytes, sizeof(bytes)), 1000,
				   1000), 0);
}

/* As a worker writes it, padded. */
static size_t write_down(const struct jobs *js, char *text)
{
	FILE *f = fmemopen(text, HY_SHOW_TEXT_MAX, "w");
	long len;

	assert_non_null(f);
	memset(text, ' ', HY_SHOW_TEXT_MAX);
	fputs("{\"live\":1,\"guest\":{\"software\":\"1\"", f);
	jobs_print(js, 1000, f);
	fputs("}}", f);
	fflush(f);
	len = ftell(f);
	fclose(f);
	text[len] = ' ';
	return ((size_t)len + 4095) / 4096 * 4096;
}

static void decide(unsigned int i, const char *text, size_t len, uint64_t now_ms)
{
	json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(o);
	decide_now(&vm[i].decide, o, at[i].in_force, now_ms);
	json_decref(o);
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (unsigned int j = 0; j < VMS; j++) {
			at[j].want = vm[j].decide.wanted;
			at[j].in_force = at[j].told;
		}
		handout_divide(at, room, VMS, VMS * 100 * MB);
	}
}

static void begin(unsigned int i)
{
	static const struct hy_log quiet = { .program = "test", .level = HY_LOG_ERR };
	struct record r;

	assert_int_equal(record_init(&r, "web1", NULL), 0);
	r.uid = 100000;
	r.size = 256 * MB;
	r.control = RECORD_CONTROL_DYNAMIC;
	r.slo_ms = 1000;
	vm[i].decide.wanted = 256 * MB;
	decide_begin(&vm[i].decide, &r, 32 * MB, 1000, &quiet);
	at[i] = (struct handout){ .floor = 32 * MB, .weight = 100, .in_force = 32 * MB,
				  .told = 32 * MB };
}

static void two_hundred_vms_decide(void **state)
{
	static char text[HY_SHOW_TEXT_MAX];
	uint64_t ns = 0, held = 0;
	size_t len = 0;

	(void)state;
	for (unsigned int i = 0; i < VMS; i++)
		begin(i);
	for (unsigned int i = 0; i < DECISIONS; i++) {
		uint64_t from;

		jobs_end(&vm[i % VMS].jobs, 16);
		len = write_down(&vm[i % VMS].jobs, text);
		from = hy_clock_cpu_ns();
		decide(i % VMS, text, len, 31000 + 30000 * (uint64_t)(i / VMS));
		ns += hy_clock_cpu_ns() - from;
	}
	for (unsigned int i = 0; i < VMS; i++) {
		assert_int_equal(vm[i].decide.decisions, DECISIONS / VMS);
		held += handout_held(&at[i]);
	}
	assert_true(held <= VMS * 100 * MB);
	print_message("# %llu ns of CPU time for a decision, of %u VMs, from %zu bytes\n",
		      (unsigned long long)(ns / DECISIONS), VMS, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_hundred_vms_decide),
	};

	srandom(31);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
