/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * why.c - `hylics-guest why`
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked), which tells names and paths of other programs: never printed raw
 */
#include "hylics-guest/why.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "common/json.h"
#include "common/own.h"
#include "common/printable.h"
#include "hylics-guest/ask.h"
#include "proto/reason.h"
#include "proto/why.h"

#define OPTION(field) offsetof(struct why_values, field)
#define ADDRESS_MAX (INET6_ADDRSTRLEN + sizeof("[]:65535"))
#define MS_PER_S 1000

const struct hy_opt why_options[] = {
	{ .name = "run-dir", .type = HY_OPT_STRING, .offset = OPTION(run_dir), .arg = "DIR",
	  .help = "where agent.sock is (default $HYLICS_RUN_DIR, else /run/hylics)" },
	{ .name = "reason", .type = HY_OPT_STRING, .offset = OPTION(reason), .arg = "WORD",
	  .help = "this one alone" },
	{ .name = "json", .type = HY_OPT_FLAG, .offset = OPTION(json), .help = "print JSON" },
	{ 0 },
};

static const char *by_name(const struct why_example *e)
{
	static const char *const names[WHY_BYS] = {
		[WHY_PROGRAM] = "program", [WHY_AGENT] = "agent", [WHY_HOST] = "host",
	};

	return names[e->by];
}

static int ask(int fd, unsigned int reason, struct local_why *m, struct hy_err *e)
{
	const struct local_ask_why question = { .reason = (uint16_t)reason };
	uint8_t buf[LOCAL_PACKET_MAX];
	int n = ask_agent(fd, buf, why_encode_ask(reason, &question, buf), LOCAL_WHY, e);

	if (n < 0)
		return n;
	if (why_decode(buf, (size_t)n, m) < 0 || m->reason != reason)
		return ask_unreadable(e);
	hy_make_printable(m->last.program);
	hy_make_printable(m->last.path);
	return 0;
}

/* "10.0.0.1:80", "[::1]:80", empty if not known */
static const char *address_text(const struct why_address *a, char text[ADDRESS_MAX])
{
	char addr[INET6_ADDRSTRLEN] = "";

	text[0] = '\0';
	if (!a->family)
		return text;
	inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->addr, addr, sizeof(addr));
	snprintf(text, ADDRESS_MAX, a->family == 4 ? "%s:%u" : "[%s]:%u", addr, a->port);
	return text;
}

/* As it is where we are, or as JSON wants it. */
static void time_text(uint64_t when_ms, bool utc, char *text, size_t room)
{
	time_t s = (time_t)(when_ms / MS_PER_S);
	struct tm tm = { 0 };

	if (utc)
		gmtime_r(&s, &tm);
	else
		localtime_r(&s, &tm);
	if (strftime(text, room, utc ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm) == 0)
		text[0] = '\0';
}

/* -- text -- */

static void print_what(const struct why_example *e)
{
	char peer[ADDRESS_MAX], local[ADDRESS_MAX];

	if (e->bytes)
		printf(", %" PRIu64 " bytes", e->bytes);
	if (e->path[0])
		printf(" of %s", e->path);
	else if (e->ino)
		printf(" of inode %" PRIu64 " on device %u:%u", e->ino, major(e->dev),
		       minor(e->dev));
	if (e->bytes)
		printf(" at %" PRIu64, e->offset);
	if (e->peer.family)
		printf(", %s to %s", address_text(&e->local, local), address_text(&e->peer, peer));
	if (e->number != WHY_NO_NUMBER)
		printf(", descriptor %u", e->number);
}

static void print_last(const struct local_why *m)
{
	const struct why_example *e = &m->last;
	char when[32];

	if (m->seen == WHY_HIDDEN)
		printf("    last: of another user's program; root may see it\n");
	if (m->seen != WHY_HERE)
		return;
	time_text(e->when_ms, false, when, sizeof(when));
	printf("    last: %s by the %s", when, by_name(e));
	if (e->pid)
		printf(", %s[%u] of user %u", e->program, e->pid, e->user);
	print_what(e);
	printf("\n");
}

static void print_text(const struct local_why *m, unsigned int before)
{
	if (before == 0)
		printf("%-20s %12s %12s\n", "reason", "calls", "connections");
	printf("%-20s %12" PRIu64 " %12" PRIu64 "\n", move_reason_name(m->reason), m->calls,
	       m->conns);
	print_last(m);
	printf("    mend: %s\n", move_reason_mend(m->reason));
}

/* -- JSON -- */

static void print_member(const char *name, const char *text)
{
	if (!text[0])
		return;
	printf(",\"%s\":", name);
	hy_json_string(stdout, text);
}

static void print_json_file(const struct why_example *e)
{
	print_member("path", e->path);
	if (e->ino)
		printf(",\"device\":\"%u:%u\",\"inode\":%" PRIu64, major(e->dev), minor(e->dev),
		       e->ino);
	if (e->bytes)
		printf(",\"offset\":%" PRIu64 ",\"bytes\":%" PRIu64, e->offset, e->bytes);
}

static void print_json_last(const struct why_example *e)
{
	char when[32], text[ADDRESS_MAX];

	time_text(e->when_ms, true, when, sizeof(when));
	printf(",\"last\":{\"when\":\"%s.%03uZ\",\"by\":\"%s\"", when,
	       (unsigned int)(e->when_ms % MS_PER_S), by_name(e));
	if (e->pid)
		printf(",\"pid\":%u,\"user\":%u", e->pid, e->user);
	print_member("program", e->program);
	if (e->number != WHY_NO_NUMBER)
		printf(",\"descriptor\":%u", e->number);
	print_json_file(e);
	print_member("local", address_text(&e->local, text));
	print_member("peer", address_text(&e->peer, text));
	printf("}");
}

static void print_json(const struct local_why *m, unsigned int before)
{
	printf("%s{\"reason\":\"%s\"", before ? "," : "", move_reason_name(m->reason));
	printf(",\"calls\":%" PRIu64 ",\"connections\":%" PRIu64, m->calls, m->conns);
	if (m->seen == WHY_HERE)
		print_json_last(&m->last);
	if (m->seen == WHY_HIDDEN)
		printf(",\"hidden\":true");
	print_member("mend", move_reason_mend(m->reason));
	printf("}");
}

/* -- the command -- */

/* The reason's number, MOVE_DONE: all; -errno */
static int wanted(const char *word, struct hy_err *e)
{
	if (!word)
		return MOVE_DONE;
	for (int i = MOVE_DONE + 1; i < MOVE_REASONS; i++) {
		if (strcmp(word, move_reason_name((unsigned int)i)) == 0)
			return i;
	}
	return hy_err_usage(e, "--reason", "--reason: '%s' is none of the words in"
			    " hylics-guest(1), such as %s", word,
			    move_reason_name(MOVE_NOT_ON_SHARE));
}

/* All answers come before the first word: what fails prints nothing but its error. */
static int ask_all(int fd, int only, struct local_why all[MOVE_REASONS], struct hy_err *e)
{
	int rc = 0;

	for (unsigned int i = MOVE_DONE + 1; rc == 0 && i < MOVE_REASONS; i++) {
		if (only == MOVE_DONE || only == (int)i)
			rc = ask(fd, i, &all[i], e);
	}
	return rc;
}

static void print_all(const struct local_why all[MOVE_REASONS], bool json)
{
	unsigned int n = 0;

	if (json)
		printf("{\"reasons\":[");
	for (unsigned int i = MOVE_DONE + 1; i < MOVE_REASONS; i++) {
		if (!all[i].calls && !all[i].conns)
			continue;
		if (json)
			print_json(&all[i], n++);
		else
			print_text(&all[i], n++);
	}
	if (json)
		printf("]}\n");
	else if (n == 0)
		printf("nothing was counted since the agent started (a program is counted from its"
		       " first call on that finds an agent)\n");
}

int why_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct why_values *v = values;
	struct local_why all[MOVE_REASONS] = { 0 };
	int only = wanted(v->reason, e);

	(void)argc;
	(void)argv;
	if (only < 0)
		return hy_err_exit(e);
	hy_autofd fd = ask_connect(v->run_dir, e);
	if (fd < 0)
		return HY_EXIT_NO_DAEMON;
	if (ask_all(fd, only, all, e) < 0)
		return HY_EXIT_FAILED;
	print_all(all, v->json);
	return HY_EXIT_OK;
}
