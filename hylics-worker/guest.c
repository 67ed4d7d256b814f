/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.c - what the guest tells of itself while a session lasts, shown in the counters' file
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile)
 */
#include "hylics-worker/guest.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/show.h"

void guest_up(struct guest *g, const struct msg_hello *peer)
{
	*g = (struct guest){ .here = true };
	memcpy(g->software, peer->software, sizeof(g->software));
	memcpy(g->kernel, peer->kernel, sizeof(g->kernel));
}

void guest_down(struct guest *g)
{
	*g = (struct guest){ 0 };
}

int guest_take_report(struct guest *g, const uint8_t *in, size_t len)
{
	int rc = report_decode(in, len, &g->report);

	g->reported |= rc == 0;
	return rc;
}

int guest_take_jobs(struct guest *g, const uint8_t *in, size_t len)
{
	return jobs_take(&g->jobs, in, len, hy_clock_ms(), hy_clock_wall_ms());
}

static void print_report(const struct report *r, FILE *f)
{
	fprintf(f, ",\"share\":\"%s\",\"cpus\":%u,\"load_100\":%u,", report_share_name(r->share),
		r->cpus, r->load_100);
	fprintf(f, "\"memory_total\":%" PRIu64 ",\"memory_available\":%" PRIu64 ",",
		r->memory_total, r->memory_available);
	hy_show_some(f, "cpu_ms", report_cpu_name, r->cpu_ms, REPORT_CPUS);
	fputc(',', f);
	hy_show_some(f, "not_offered", move_reason_name, r->not_offered, MOVE_REASONS);
}

static void print_address(const struct move_address *a, FILE *f)
{
	int family = a->family == MOVE_FAMILY_IP4 ? AF_INET : AF_INET6;
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(family, a->addr, text, sizeof(text));
	fprintf(f, "\"%02x:%02x:%02x:%02x:%02x:%02x,%s\"", a->mac[0], a->mac[1], a->mac[2],
		a->mac[3], a->mac[4], a->mac[5], text);
}

void guest_print(const struct guest *g, FILE *f)
{
	if (!g->here)
		return;
	fputs(",\"guest\":{\"software\":", f);
	hy_json_string(f, g->software);
	fputs(",\"kernel\":", f);
	hy_json_string(f, g->kernel);
	if (g->reported)
		print_report(&g->report, f);
	fputs(",\"addresses\":[", f);
	for (unsigned int i = 0; i < g->n_addresses; i++) {
		fputs(i ? "," : "", f);
		print_address(&g->address[i], f);
	}
	fputc(']', f);
	jobs_print(&g->jobs, hy_clock_ms(), f);
	fputc('}', f);
}
