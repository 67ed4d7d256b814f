/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status.c - `hylics-guest status`
 *
 * Runs in: hylics-guest
 * Reads from: the agent (checked)
 */
#include "hylics-guest/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "channel/chan.h"
#include "common/fdpass.h"
#include "common/json.h"
#include "common/own.h"
#include "common/unixsock.h"
#include "proto/local.h"

#define OPTION(field) offsetof(struct status_values, field)

const struct hy_opt status_options[] = {
	{ .name = "run-dir", .type = HY_OPT_STRING, .offset = OPTION(run_dir), .arg = "DIR",
	  .help = "where agent.sock is (default $HYLICS_RUN_DIR, else /run/hylics)" },
	{ .name = "json", .type = HY_OPT_FLAG, .offset = OPTION(json), .help = "print JSON" },
	{ 0 },
};

/* The agent answers at once or not at all: one that is stopped must not stop us. */
static int connect_agent(const char *dir, struct hy_err *e)
{
	const struct timeval patience = { .tv_sec = 5 };
	char path[HY_UNIX_PATH_MAX + 1];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/agent.sock", dir) >= sizeof(path))
		return hy_err_set(e, ENAMETOOLONG, "run directory '%s'", dir);
	fd = hy_unix_connect(path, SOCK_SEQPACKET, e);
	if (fd < 0)
		return hy_err_add(e, "agent not reached (does hylics-agent run?)");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static int ask(int fd, struct local_status *s, struct hy_err *e)
{
	uint8_t buf[LOCAL_PACKET_MAX];
	struct local_header h;
	struct hy_fds none;
	ssize_t n = hy_fds_send(fd, buf, local_encode_ask_status(1, buf), NULL, 0);

	if (n > 0)
		n = hy_fds_recv(fd, buf, sizeof(buf), &none, 0, 0);
	if (n <= 0)
		return hy_err_set(e, n ? (int)-n : ECONNRESET, "agent: ask for its status");
	if (local_decode_header(buf, (size_t)n, &h) < 0 || h.type != LOCAL_STATUS ||
	    local_decode_status(buf, (size_t)n, s) < 0 || s->channel_state > CHAN_UP ||
	    s->transport > CHAN_VSOCK)
		return hy_err_set(e, EPROTO, "agent: its answer cannot be read (is it newer?)");
	return 0;
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
	const char *dir = v->run_dir ? v->run_dir : getenv("HYLICS_RUN_DIR");
	struct local_status s = { 0 };

	(void)argc;
	(void)argv;
	hy_autofd fd = connect_agent(dir ? dir : "/run/hylics", e);
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
