/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - hylics-talk: a server and a client that check every byte, and a watch on the wire
 *
 * Runs in: hylics-talk
 * Reads from: the command line of whoever started it
 */
#include "lab/talk/client.h"
#include "lab/talk/server.h"
#include "lab/talk/watch.h"

static const struct hy_cmd verbs[] = {
	{ .name = "server",
	  .summary = "answer requests with a file, by sendfile() or hylics_sendfile()",
	  .details = "Says 'ready PORT' when it listens. Ends on SIGTERM and SIGINT with its "
		     "counts as one line of JSON.",
	  .options = server_options,
	  .values_size = sizeof(struct server_values),
	  .defaults = &server_defaults,
	  .run = server_main },
	{ .name = "client",
	  .summary = "ask, and check every byte of every answer",
	  .details = "Writes one line of JSON. Exit code 0 means that nothing at all was wrong.",
	  .options = client_options,
	  .values_size = sizeof(struct client_values),
	  .defaults = &client_defaults,
	  .run = client_main },
	{ .name = "watch",
	  .summary = "count what goes over an interface",
	  .details = "Says 'ready' when it sees. Ends on SIGTERM and SIGINT with its counts as one "
		     "line of JSON.",
	  .options = watch_options,
	  .values_size = sizeof(struct watch_values),
	  .run = watch_main },
	{ .name = NULL },
};

static const struct hy_cmd command = {
	.name = "hylics-talk",
	.summary = "a server and a client that check every byte, and a watch on the wire",
	.sub = verbs,
};

int main(int argc, char **argv)
{
	return hy_opt_main(&command, argc, argv);
}
