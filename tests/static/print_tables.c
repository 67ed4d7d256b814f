/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * print_tables.c - prints the tables of the code that the documentation repeats
 *
 * Runs in: tests/static/check_docs.py
 * Reads from: no untrusted input
 *
 * One row per line, fields with tabs between them; the first field names the table.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/fault.h"
#include "common/limits.h"
#include "hylicsd/config.h"
#include "conf/module.h"
#include "hylicsd/record.h"
#include "proto/frame.h"
#include "proto/job.h"
#include "proto/local.h"
#include "proto/move.h"
#include "proto/msg.h"
#include "proto/page.h"
#include "proto/reason.h"
#include "proto/report.h"
#include "proto/tally.h"
#include "tcpmove/record.h"

static const char *sender_words(uint8_t senders)
{
	if (senders == (ROLE_HOST | ROLE_GUEST))
		return "both";
	return senders == ROLE_HOST ? "host" : "guest";
}

static void print_messages(void)
{
	static const char *const lanes[LANES] = { "control", "urgent", "stream", "bulk" };
	const struct msg_info *row;
	size_t n;

	row = msg_table(&n);
	for (const struct msg_info *end = row + n; row < end; row++)
		printf("message\t%u\t%s\t%s\t%s\t%u\t%u\t%s\n", row->type, row->name,
		       lanes[row->lane], sender_words(row->senders), row->min, row->max,
		       row->what);
}

static void print_byes(void)
{
	for (unsigned int reason = BYE_STOPPING; reason <= BYE_REPLACED; reason++)
		printf("bye\t%u\t%s\n", reason, msg_bye_name((uint16_t)reason));
}

static void print_reasons(void)
{
	for (unsigned int reason = 0; reason < MOVE_REASONS; reason++)
		printf("reason\t%u\t%s\n", reason, move_reason_name(reason));
	for (unsigned int reason = MOVE_DONE + 1; reason < MOVE_REASONS; reason++)
		printf("mend\t%s\t%s\n", move_reason_name(reason), move_reason_mend(reason));
}

static void print_steps(void)
{
#define X(step, name, what) printf("step\t%s\t%s\n", name, what);
	HY_FAULT_STEPS(X)
#undef X
}

static void print_exits(void)
{
	static const struct {
		const char *name;
		enum hy_exit code;
	} exits[] = {
		{ "HY_EXIT_OK", HY_EXIT_OK },
		{ "HY_EXIT_FAILED", HY_EXIT_FAILED },
		{ "HY_EXIT_USAGE", HY_EXIT_USAGE },
		{ "HY_EXIT_NO_OBJECT", HY_EXIT_NO_OBJECT },
		{ "HY_EXIT_NO_DAEMON", HY_EXIT_NO_DAEMON },
		{ "HY_EXIT_REFUSED", HY_EXIT_REFUSED },
		{ "HY_EXIT_SKIPPED", HY_EXIT_SKIPPED },
	};

	for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++)
		printf("exit\t%d\t%s\n", exits[i].code, exits[i].name);
}

/* The words of failures that have one of their own. */
static void print_errors(void)
{
	const struct hy_err unknown = { .num = -1 };

	for (int num = 1; num < 200; num++) {
		const struct hy_err e = { .num = num };
		const char *name = strerrorname_np(num);

		if (name && strcmp(hy_err_code(&e), hy_err_code(&unknown)) != 0)
			printf("error\t%s\t%s\t%d\n", hy_err_code(&e), name, hy_err_exit(&e));
	}
}

static void print_limits(void)
{
	static const struct {
		const char *name;
		unsigned long long value;
	} rows[] = {
#define ROW(name) { #name, (name) },
#include "tests/static/limit_rows.h"
#undef ROW
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("limit\t%s\t%llu\n", rows[i].name, rows[i].value);
}

/* Numbers of the wire formats that docs/wire.md gives by name. */
static void print_wire(void)
{
#define ROW(name) printf("wire\t%s\t%llu\n", #name, (unsigned long long)(name));
	ROW(FRAME_MAGIC)
	ROW(FRAME_VERSION)
	ROW(FRAME_HEADER_LEN)
	ROW(FRAME_OVERHEAD)
	ROW(FRAME_MARK_LEN)
	ROW(MSG_PROTO_MIN)
	ROW(MSG_PROTO_MAX)
	ROW(MSG_BULK_WINDOW)
	ROW(MOVE_OFFER_MIN)
	ROW(MOVE_ANSWER_LEN)
	ROW(MOVE_FILE_MIN)
	ROW(MOVE_OPENED_LEN)
	ROW(MOVE_ITEM_MIN)
	ROW(MOVE_POS_LEN)
	ROW(MOVE_UP_MIN)
	ROW(MOVE_END_LEN)
	ROW(MOVE_RESUME_LEN)
	ROW(MOVE_ADDRESS_LEN)
	ROW(TCP_RECORD_VERSION)
	ROW(TCP_RECORD_MAX)
	ROW(LOCAL_VERSION)
	ROW(LOCAL_HEADER_LEN)
	ROW(LOCAL_PACKET_MAX)
	ROW(LOCAL_ASK_STATUS)
	ROW(LOCAL_STATUS)
	ROW(LOCAL_ERROR)
	ROW(LOCAL_JOIN)
	ROW(LOCAL_JOINED)
	ROW(LOCAL_MOVE)
	ROW(LOCAL_TAKE_BACK)
	ROW(LOCAL_TAKEN)
	ROW(LOCAL_WHO)
	ROW(LOCAL_WHO_IS)
	ROW(LOCAL_OPTION)
	ROW(LOCAL_OPTION_ASK)
	ROW(LOCAL_OPTION_TOLD)
	ROW(LOCAL_ASK_WHY)
	ROW(LOCAL_WHY)
	ROW(LOCAL_MODULE_START)
	ROW(LOCAL_MODULE_STOP)
	ROW(LOCAL_ASK_MODULE)
	ROW(LOCAL_MODULE)
	ROW(LOCAL_JOB_BEGIN)
	ROW(LOCAL_JOB_BEGUN)
	ROW(LOCAL_JOB_END)
	ROW(LOCAL_MARKER_LEN)
	ROW(LOCAL_MARK_TELL)
	ROW(LOCAL_MARK_GROWS)
	ROW(HY_PAGE_VERSION)
	ROW(HY_PAGE_SLOTS)
	ROW(HY_TALLY_VERSION)
	ROW(HY_TALLY_REASONS)
	ROW(HY_TALLY_STRIPES)
	ROW(REPORT_MIN)
	ROW(REPORT_MAX)
	ROW(JOBS_MIN)
	ROW(JOBS_MAX)
#undef ROW
}

/* The keys of a kind of file: name, word for the value, default. */
static void print_keys(const char *name, const struct ini_table *t, const void *defaults)
{
	char text[HY_INI_LINE_MAX];

	for (const struct ini_key *k = t->keys; k->name; k++) {
		ini_text(k, defaults, text, sizeof(text));
		printf("%s\t%s\t%s\t%s\n", name, k->name, k->arg,
		       k->required || !text[0] ? "-" : text);
	}
}

static void print_files(void)
{
	static struct config config;	/* large */
	static struct module module;
	struct record record;

	config_defaults(&config);
	print_keys("config", &config_table, &config);
	module_defaults(&module);
	print_keys("module", &module_table, &module);
	if (record_init(&record, "a", NULL) == 0)
		print_keys("record", &record_table, &record);
}

int main(void)
{
	print_messages();
	print_byes();
	print_reasons();
	print_steps();
	print_exits();
	print_errors();
	print_limits();
	print_wire();
	print_files();
	return 0;
}
