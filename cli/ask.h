/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask.h - what the verbs that ask hylicsd have in common: options, the call, how a VM is shown
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#ifndef HY_CLI_ASK_H
#define HY_CLI_ASK_H

#include <jansson.h>

#include "common/opt.h"

struct ask_values {
	const char *run_dir;
	bool json;
};

/* Of a verb whose values begin with struct ask_values. */
#define ASK_RUN_DIR \
	{ .name = "run-dir", .type = HY_OPT_STRING, \
	  .offset = offsetof(struct ask_values, run_dir), .arg = "DIR", \
	  .help = "hylicsd's run directory (default $HYLICS_RUN_DIR, else /run/hylics)" }

/* The last options of such a verb. */
#define ASK_OPTIONS \
	ASK_RUN_DIR, \
	{ .name = "json", .type = HY_OPT_FLAG, .offset = offsetof(struct ask_values, json), \
	  .help = "print what hylicsd answers, as JSON; errors too" }, \
	{ .name = NULL }

/**
 * ask_call() - One request and its answer; while hylicsd makes room for what is asked, again
 * @v:		Where hylicsd is
 * @method:	"POST"
 * @path:	"/v1/vms"
 * @body:	NULL: none; stays the caller's
 * @answer:	As of api_call()
 * @e:		As of api_call(); EAGAIN: there is no room after HY_ROOM_WAIT_MS
 *
 * That it waits is told on stderr.
 *
 * Return: 0, -errno
 */
int ask_call(const struct ask_values *v, const char *method, const char *path, const json_t *body,
	     json_t **answer, struct hy_err *e);

/**
 * ask_vm() - Ask about one VM
 * @v:		Where hylicsd is
 * @method:	"GET"
 * @name:	As typed; checked here
 * @rest:	Behind the name: "", "/why", "?force"
 * @body:	The reference is taken; NULL: none
 * @answer:	Set on success: the caller's reference, NULL if there is none
 * @e:		Error
 */
int ask_vm(const struct ask_values *v, const char *method, const char *name, const char *rest,
	   json_t *body, json_t **answer, struct hy_err *e);

/**
 * ask_show() - Print an answer, as JSON or for people, and let go of it
 * @v:		How
 * @answer:	The reference is taken; may be NULL
 * @people:	Prints it for people; NULL: nothing is said
 *
 * Return: HY_EXIT_OK
 */
int ask_show(const struct ask_values *v, json_t *answer, void (*people)(const json_t *));

/* One VM, a line each for what it has. */
void ask_show_vm(const json_t *vm);

/* Whether its connections move, as a sentence that begins with "on" or "off"; a literal. */
const char *ask_offload_text(const json_t *vm);

/* 67108864 as "64M", 5000 as "4.9K". */
void ask_size_text(uint64_t bytes, char *text, size_t size);

#endif
