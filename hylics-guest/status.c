/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status.c - `hylics-guest status`
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked)
 */
#include "hylics-guest/status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel/chan.h"
#include "common/json.h"
#include "common/own.h"
#include "hylics-guest/ask.h"
#include "proto/local.h"
#include "proto/reason.h"
#include "proto/report.h"

#define OPTION(field) offsetof(struct status_values, field)
#define SHARE_WAIT_MS 2000	/* its host answers at once, or is not there */

const struct hy_opt status_options[] = {
	{ .name = "run-dir", .type = HY_OPT_STRING, .offset = OPTION(run_dir), .arg = "DIR",
	  .help = "where agent.sock is (default $HYLICS_RUN_DIR, else /run/hylics)" },
	{ .name = "json", .type = HY_OPT_FLAG, .offset = OPTION(json), .help = "print JSON" },
	{ 0 },
};

static int ask(int fd, struct local_status *s, struct hy_err *e)
{
	uint8_t buf[LOCAL_PACKET_MAX];
	int n = ask_agent(fd, buf, local_encode_ask_status(1, buf), LOCAL_STATUS, e);

	if (n < 0)
		return n;
	if (local_decode_status(buf, (size_t)n, s) < 0 || s->channel_state > CHAN_UP ||
	    s->transport > CHAN_VSOCK)
		return ask_unreadable(e);
	return 0;
}

/* -- the share, which the host may not answer for -- */

struct room {
	uint64_t bytes, free;		/* that any user may use */
};

static bool is_mounted(const struct local_status *s)
{
	return s->share_kind > REPORT_SHARE_DIRECTORY;
}

static void measure(const char *path, int to)
{
	struct statvfs fs;
	struct room r;

	if (statvfs(path, &fs) < 0)
		_exit(HY_EXIT_FAILED);
	r = (struct room){ fs.f_blocks * fs.f_frsize, fs.f_bavail * fs.f_frsize };
	_exit(write(to, &r, sizeof(r)) == sizeof(r) ? HY_EXIT_OK : HY_EXIT_FAILED);
}

/* Another process asks: one that waits for a host that is gone can only be killed. */
static bool find_room(const char *path, struct room *r)
{
	struct pollfd answer = { .events = POLLIN };
	bool found = false;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	pid = fork();
	if (pid == 0)
		measure(path, ends[1]);
	close(ends[1]);
	answer.fd = ends[0];
	if (pid > 0 && poll(&answer, 1, SHARE_WAIT_MS) == 1)
		found = read(ends[0], r, sizeof(*r)) == sizeof(*r);
	close(ends[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, found ? 0 : WNOHANG);
	}
	return found;
}

static void print_share(const struct local_status *s)
{
	struct room r;

	if (!is_mounted(s)) {
		printf("share        not mounted at %s%s\n", s->share,
		       s->share_kind == REPORT_SHARE_DIRECTORY ? ", which is a directory" : "");
		return;
	}
	printf("share        %s at %s, ", report_share_name(s->share_kind), s->share);
	if (find_room(s->share, &r))
		printf("%.1f MB, %.1f MB free\n", (double)r.bytes / (1 << 20),
		       (double)r.free / (1 << 20));
	else
		printf("the host does not answer for it\n");
}

static void print_json_share(const struct local_status *s)
{
	struct room r;

	printf("\"share\":{\"state\":\"%s\",\"path\":", report_share_name(s->share_kind));
	hy_json_string(stdout, s->share);
	if (is_mounted(s) && find_room(s->share, &r))
		printf(",\"bytes\":%" PRIu64 ",\"free\":%" PRIu64, r.bytes, r.free);
	printf("},");
}

/* -- printing -- */

static const char *offload_name(const struct local_status *s)
{
	return s->offload == MOVE_DONE ? "on" : move_reason_name(s->offload);
}

static void print_costs(const struct local_costs *c)
{
	printf("threshold    %llu KB, %s", (unsigned long long)c->threshold >> 10,
	       c->measured ? "measured" : "fixed");
	if (c->measured && c->highest)
		printf("; of programs %llu to %llu KB", (unsigned long long)c->lowest >> 10,
		       (unsigned long long)c->highest >> 10);
	printf("\n");
	if (c->measured)
		printf("CPU time     move %.1f us, slice %.1f us, plain MB %.1f us\n",
		       (double)c->move_ns / 1e3, (double)c->slice_ns / 1e3,
		       (double)c->plain_ps * (1 << 20) / 1e6);
	if (c->adopt_us)
		printf("adopted      after %llu us\n", (unsigned long long)c->adopt_us);
}

static void print_text(const struct local_status *s)
{
	printf("agent        %s, running for %.0f s\n", s->software, (double)s->uptime_ms / 1000);
	printf("channel      %s over %s\n", chan_state_name(s->channel_state),
	       chan_kind_name(s->transport));
	if (s->channel_state == CHAN_UP)
		printf("host         %s, session %08x\n", s->peer_software, s->peer_epoch);
	printf("sessions     %llu, of them %llu begun anew by the host\n",
	       (unsigned long long)s->sessions, (unsigned long long)s->resyncs);
	printf("ended by     faults %llu, silence %llu\n", (unsigned long long)s->faults,
	       (unsigned long long)s->silences);
	print_share(s);
	printf("offload      %s\n", offload_name(s));
	print_costs(&s->costs);
}

static void print_json_costs(const struct local_costs *c)
{
	printf("\"threshold\":%llu,\"threshold_measured\":%s,\"threshold_lowest\":%llu,"
	       "\"threshold_highest\":%llu,",
	       (unsigned long long)c->threshold, c->measured ? "true" : "false",
	       (unsigned long long)c->lowest, (unsigned long long)c->highest);
	printf("\"move_cpu_ns\":%llu,\"slice_cpu_ns\":%llu,\"plain_cpu_ps\":%llu,"
	       "\"adopt_us\":%llu,",
	       (unsigned long long)c->move_ns, (unsigned long long)c->slice_ns,
	       (unsigned long long)c->plain_ps, (unsigned long long)c->adopt_us);
}

static void print_json(const struct local_status *s)
{
	printf("{\"channel\":\"%s\",\"transport\":\"%s\",\"epoch\":%u,\"peer_epoch\":%u,",
	       chan_state_name(s->channel_state), chan_kind_name(s->transport), s->epoch,
	       s->peer_epoch);
	printf("\"sessions\":%llu,\"resyncs\":%llu,\"faults\":%llu,\"silences\":%llu,",
	       (unsigned long long)s->sessions, (unsigned long long)s->resyncs,
	       (unsigned long long)s->faults, (unsigned long long)s->silences);
	print_json_share(s);
	printf("\"offload\":\"%s\",", offload_name(s));
	print_json_costs(&s->costs);
	printf("\"uptime_ms\":%llu,\"software\":", (unsigned long long)s->uptime_ms);
	hy_json_string(stdout, s->software);
	printf(",\"peer_software\":");
	hy_json_string(stdout, s->peer_software);
	printf("}\n");
}

int status_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct status_values *v = values;
	struct local_status s = { 0 };

	(void)argc;
	(void)argv;
	hy_autofd fd = ask_connect(v->run_dir, e);
	if (fd < 0)
		return HY_EXIT_NO_DAEMON;
	if (ask(fd, &s, e) < 0)
		return HY_EXIT_FAILED;
	if (v->json)
		print_json(&s);
	else
		print_text(&s);
	return HY_EXIT_OK;
}
