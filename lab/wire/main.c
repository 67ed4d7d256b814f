/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - hylics-wire: stands between two interfaces and is as bad a wire as it is told to be
 *
 * Runs in: hylics-wire
 * Reads from: the command line and the script of whoever started it
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/opt.h"
#include "common/own.h"
#include "lab/wire/wire.h"

struct values {
	const char *veth[WIRE_DIRECTIONS];
	const char *tap[WIRE_DIRECTIONS];
	int64_t seed;
	int64_t pool;
	int64_t ready_fd;
	const char *script;
	const char *control;
	const char *pcap;
	const char *pcap_dropped;
	const char *stats;
	struct hy_opt_list rule;
	struct hy_opt_list loss, reorder, duplicate, corrupt, delay, jitter, rate, queue;
	struct hy_opt_list reorder_gap, reorder_bound;
};

static const struct values defaults = {
	.seed = 1, .pool = WIRE_POOL_DEFAULT, .ready_fd = STDOUT_FILENO,
};

#define AT(field) offsetof(struct values, field)

/* A setting of the wire: may be given for both directions and again for one. */
#define SETTING(name, field, arg, help) \
	{ name, 0, HY_OPT_LIST, AT(field), "[a:|b:]" arg, help, 0, 0, NULL, false }
#define WORD(name, field, arg, help) \
	{ name, 0, HY_OPT_STRING, AT(field), arg, help, 0, 0, NULL, false }

/* Settings stand first; set_all() goes through them by their names. */
static const struct hy_opt options[] = {
	SETTING("loss", loss, "P%", "lose frames"),
	SETTING("delay", delay, "TIME", "delay every frame"),
	SETTING("jitter", jitter, "TIME", "vary the delay by as much, order kept"),
	SETTING("reorder", reorder, "P%", "hold frames back until others have overtaken them"),
	SETTING("reorder-gap", reorder_gap, "FRAMES", "how many overtake (3)"),
	SETTING("reorder-bound", reorder_bound, "TIME", "how long to wait for them (50ms)"),
	SETTING("duplicate", duplicate, "P%", "send frames twice"),
	SETTING("corrupt", corrupt, "P%", "flip one bit, checksums left as they are"),
	SETTING("rate", rate, "RATE", "bits per second: 64kbit, 100mbit, 1gbit"),
	SETTING("queue", queue, "FRAMES", "room before the rate limit (1000), then tail drop"),
	{ "rule", 'e', HY_OPT_LIST, AT(rule), "RULE", "a rule of the script", 0, 0, NULL, false },
	WORD("script", script, "FILE", "rules, one per line"),
	WORD("a", veth[0], "NAME", "side a: an interface, through a packet socket"),
	WORD("b", veth[1], "NAME", "side b"),
	WORD("tap-a", tap[0], "NAME", "side a: attach to this tap instead"),
	WORD("tap-b", tap[1], "NAME", "side b: attach to this tap instead"),
	{ "seed", 0, HY_OPT_INT, AT(seed), "N", "what all chances come from", 0, INT64_MAX,
	  NULL, false },
	{ "pool", 0, HY_OPT_INT, AT(pool), "FRAMES", "on their way per direction, at most", 1,
	  WIRE_POOL_MAX, NULL, false },
	WORD("control", control, "PATH", "make a control socket"),
	WORD("pcap", pcap, "FILE", "record what passes (pcapng)"),
	WORD("pcap-dropped", pcap_dropped, "FILE", "record what does not, with the reason"),
	WORD("stats", stats, "FILE", "write statistics here instead of standard output"),
	{ "ready-fd", 0, HY_OPT_INT, AT(ready_fd), "FD", "say 'ready' here", 0, INT32_MAX, NULL,
	  false },
	{ .name = NULL },
};

static int set_all(struct wire_config *config, const struct values *v, struct hy_err *e)
{
	int rc;

	impair_reset(config->impair);
	for (const struct hy_opt *o = options; strcmp(o->name, "rule") != 0; o++) {
		const struct hy_opt_list *list = (const void *)((const char *)v + o->offset);

		for (unsigned int i = 0; i < list->n; i++) {
			rc = impair_set(config->impair, o->name, list->item[i], e);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int set_sides(struct wire_config *config, const struct values *v, struct hy_err *e)
{
	for (int i = 0; i < WIRE_DIRECTIONS; i++) {
		if (!v->veth[i] == !v->tap[i])
			return hy_err_set(e, EINVAL, "side %c: want one of --%c and --tap-%c",
					  'a' + i, 'a' + i, 'a' + i);
		config->tap[i] = v->tap[i] != NULL;
		config->name[i] = v->tap[i] ? v->tap[i] : v->veth[i];
	}
	if (strcmp(config->name[0], config->name[1]) == 0)
		return hy_err_set(e, EINVAL, "both sides are '%s'", config->name[0]);
	return 0;
}

static int read_script(struct script *s, const char *path, struct hy_err *e)
{
	hy_autofree char *text = malloc(WIRE_SCRIPT_BYTES_MAX + 1);
	hy_autofile *f = fopen(path, "re");
	size_t n;

	if (!f || !text)
		return hy_err_set(e, errno, "script '%s': open", path);
	n = fread(text, 1, WIRE_SCRIPT_BYTES_MAX + 1, f);
	if (ferror(f))
		return hy_err_set(e, errno, "script '%s': read", path);
	return rule_add_text(s, text, n, e) < 0 ? hy_err_add(e, "script '%s'", path) : 0;
}

static int set_rules(struct script *s, const struct values *v, struct hy_err *e)
{
	int rc = v->script ? read_script(s, v->script, e) : 0;

	for (unsigned int i = 0; rc == 0 && i < v->rule.n; i++) {
		rc = rule_add(s, i + 1, v->rule.item[i], e);
		if (rc < 0)
			rc = hy_err_add(e, "-e");
	}
	return rc;
}

static int configure(struct wire *w, const struct values *v, struct hy_err *e)
{
	int rc = set_sides(&w->config, v, e);

	w->config.seed = (uint64_t)v->seed;
	w->config.pool = (uint32_t)v->pool;
	w->config.ready_fd = (int)v->ready_fd;
	w->config.control = v->control;
	w->config.pcap = v->pcap;
	w->config.pcap_dropped = v->pcap_dropped;
	w->config.stats = v->stats;
	if (rc == 0)
		rc = set_all(&w->config, v, e);
	if (rc == 0)
		rc = set_rules(&w->script, v, e);
	return rc;
}

static int run(const void *values, int argc, char **argv, struct hy_err *e)
{
	hy_autofree struct wire *w = calloc(1, sizeof(*w));
	struct hy_err late;
	int rc;

	(void)argc;
	(void)argv;
	if (!w) {
		hy_err_set(e, ENOMEM, "state of the wire");
		return HY_EXIT_FAILED;
	}
	if (configure(w, values, e) < 0)
		return HY_EXIT_USAGE;
	rc = wire_open(w, e);
	if (rc == 0)
		rc = wire_run(w, e);
	if (wire_close(w, &late) < 0 && rc == 0) {
		*e = late;
		rc = -late.num;
	}
	if (rc == -ENODEV)
		return HY_EXIT_NO_OBJECT;
	return rc < 0 ? HY_EXIT_FAILED : HY_EXIT_OK;
}

static const struct hy_cmd command = {
	.name = "hylics-wire",
	.summary = "carry frames between two interfaces, as badly as asked, from a seed",
	.details = "Direction a is what comes in on side a and leaves on side b.\n"
		   "Times are written 20ms, 1.5ms or 300us. SIGUSR1 writes statistics, SIGINT and "
		   "SIGTERM end.",
	.options = options,
	.values_size = sizeof(struct values),
	.defaults = &defaults,
	.run = run,
};

int main(int argc, char **argv)
{
	return hy_opt_main(&command, argc, argv);
}
