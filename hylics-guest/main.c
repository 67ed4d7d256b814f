/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - hylics-guest: the command of the guest's users
 *
 * Runs in: hylics-guest (guest, any user)
 * Reads from: the agent (checked)
 */
#include <stddef.h>

#include "common/opt.h"
#include "hylics-guest/job.h"
#include "hylics-guest/module.h"
#include "hylics-guest/run.h"
#include "hylics-guest/status.h"
#include "hylics-guest/why.h"
#include "version.h"

static const struct hy_cmd commands[] = {
	{ .name = "module",
	  .summary = "servers that the host runs for this guest", .sub = module_commands },
	{ .name = "run", .args = "[--] CMD [ARG]...",
	  .summary = "start a program whose files the host sends, where it can",
	  .details = "The program runs with libhylics-preload.so, as itself: same process, same "
		     "exit code. Where that cannot be it runs without, and a line on stderr "
		     "says so.",
	  .min_args = 1, .max_args = -1, .run = run_run },
	{ .name = "job", .args = "[--] CMD [ARG]...",
	  .summary = "run a program as a job, whose times the host learns",
	  .details = "The program runs as it would without, also if there is no agent. Exit code "
		     "and signals are passed on.",
	  .options = job_options, .values_size = sizeof(struct job_values),
	  .min_args = 1, .max_args = -1, .run = job_run },
	{ .name = "status", .args = "",
	  .summary = "show whether the agent reaches the host, and the share",
	  .options = status_options, .values_size = sizeof(struct status_values),
	  .run = status_run },
	{ .name = "why", .args = "",
	  .summary = "show why connections were not moved to the host",
	  .options = why_options, .values_size = sizeof(struct why_values),
	  .run = why_run },
	{ 0 },
};

static const struct hy_cmd command = {
	.name = "hylics-guest",
	.summary = "what a guest's user asks of Hylics",
	.sub = commands,
};

int main(int argc, char **argv)
{
	return hy_opt_main(&command, argc, argv);
}
