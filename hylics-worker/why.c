/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * why.c - the last connection that was refused, for each reason
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile): its addresses are shown, and decide nothing
 */
#include "hylics-worker/why.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <sys/socket.h>

#include "common/clock.h"

void why_note(struct why_last last[MOVE_REASONS], enum move_reason reason,
	      const struct tcp_record *rec)
{
	last[reason] = (struct why_last){
		.when_ms = hy_clock_wall_ms(), .queued = rec->send_len + rec->recv_len,
		.family = rec->family, .local = rec->local, .peer = rec->remote,
	};
}

/* An earlier worker may have left anything there: it is a number, or no address at all. */
static void print_end(const char *name, const struct why_last *l, const struct tcp_end *end,
		      FILE *f)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (!inet_ntop(l->family == AF_INET ? AF_INET : AF_INET6, end->addr, text, sizeof(text)))
		return;
	fprintf(f, ",\"%s\":\"%s%s%s:%u\"", name, l->family == AF_INET ? "" : "[", text,
		l->family == AF_INET ? "" : "]", end->port);
}

void why_print(const struct why_last last[MOVE_REASONS], FILE *f)
{
	const char *comma = "";

	fputs(",\"refused_last\":{", f);
	for (unsigned int i = 0; i < MOVE_REASONS; i++) {
		if (!last[i].when_ms)
			continue;
		fprintf(f, "%s\"%s\":{\"when_ms\":%" PRIu64 ",\"queued\":%" PRIu32, comma,
			move_reason_name(i), last[i].when_ms, last[i].queued);
		print_end("local", &last[i], &last[i].local, f);
		print_end("peer", &last[i], &last[i].peer, f);
		fputc('}', f);
		comma = ",";
	}
	fputc('}', f);
}
