/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * module_host.c - a host that says of modules what it is told to, and tells what it hears
 *
 * Runs in: tests/system/test_guest_modules.py, beside a real agent
 * Reads from: the test; the agent
 *
 *	module-host PATH	listens there for the agent
 *
 * It writes a line for each of these:
 *
 *	ready, up, down			it listens; a session has begun, is over
 *	wanted [NAME:PORT ...]		a list of modules has come
 *
 * and obeys lines:
 *
 *	tell NUMBER OF LIFE PORT NAME [WHY]	one module, whose ports are 80, 443 and 8000 to 8999
 *	tell-late ...			the same, as if it went by the list before the last
 *	none				there are no modules
 *	nonsense			a message that cannot be read
 *	hang-up				ends the session
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel/chan.h"
#include "proto/modules.h"

#define FDS_MAX 64
#define LINE_BYTES 1024
#define DEAD_MS 600000			/* it may be stopped for a while */

struct host {
	struct ev_loop loop;
	struct chan chan;
	char line[LINE_BYTES];
	size_t len;
	uint64_t heard;			/* number of the last list */
};

/* -- what it hears -- */

static void on_up(void *object, const struct msg_hello *peer)
{
	(void)object;
	(void)peer;
	puts("up");
}

static void on_down(void *object, const char *why)
{
	(void)object;
	(void)why;
	puts("down");
}

static int take_wanted(struct host *h, const struct message *m)
{
	struct modules_wanted w;

	if (modules_wanted_decode(m->payload, m->len, &w) < 0)
		return -EPROTO;
	if (w.number <= h->heard)
		puts("a number that does not grow");
	h->heard = w.number;
	printf("wanted");
	for (unsigned int i = 0; i < w.n; i++)
		printf(" %s:%u", w.at[i].name, w.at[i].port);
	puts("");
	return 0;
}

/* What else an agent says unasked is not looked at. */
static int on_message(void *object, const struct message *m)
{
	return m->info->type == MSG_MODULES_WANTED ? take_wanted(object, m) : 0;
}

static const struct chan_ops ops = { on_up, on_down, on_message, NULL };

/* -- what it says -- */

static int send_bytes(struct host *h, const uint8_t *bytes, int n)
{
	return n < 0 ? n : chan_send(&h->chan, MSG_MODULE, 0, bytes, (size_t)n);
}

static int send_state(struct host *h, const struct modules_state *s)
{
	uint8_t bytes[MODULES_STATE_MAX];

	return send_bytes(h, bytes, modules_state_encode(s, bytes, sizeof(bytes)));
}

static int find_life(const char *name)
{
	for (int i = 0; i < MODULES_LIVES; i++) {
		if (strcmp(name, modules_life_name((unsigned int)i)) == 0)
			return i;
	}
	return -EINVAL;
}

static int tell_of(struct host *h, uint64_t list, const char *args)
{
	struct modules_state s = { .list = list, .starts = 2, .since_ms = 1500, .connections = 3,
				   .cpu_us = 250000, .memory = 3u << 20,
				   .ports = { .n = 3, .at = { { 80, 80 }, { 443, 443 },
							      { 8000, 8999 } } } };
	unsigned int number, of, port;
	char life[16], why[MODULES_WHY_MAX + 1] = "";

	if (sscanf(args, "%u %u %15s %u %63s %160[^\n]", &number, &of, life, &port, s.name,
		   why) < 5 || find_life(life) < 0)
		return -EINVAL;
	s.number = (uint8_t)number;
	s.of = (uint8_t)of;
	s.life = (uint8_t)find_life(life);
	s.port = (uint16_t)port;
	memcpy(s.why, why, sizeof(s.why));
	return send_state(h, &s);
}

static int tell(struct host *h, const char *args)
{
	return tell_of(h, h->heard, args);
}

static int tell_late(struct host *h, const char *args)
{
	return tell_of(h, h->heard - 1, args);
}

static int tell_none(struct host *h, const char *args)
{
	const struct modules_state none = { .list = h->heard };

	(void)args;
	return send_state(h, &none);
}

static int tell_nonsense(struct host *h, const char *args)
{
	static const uint8_t bytes[MODULES_STATE_MIN] = { [8] = 9, 9 };

	(void)args;
	return send_bytes(h, bytes, sizeof(bytes));
}

static int hang_up(struct host *h, const char *args)
{
	(void)args;
	return shutdown(h->chan.fd, SHUT_RDWR) < 0 ? -errno : 0;
}

static const struct {
	const char *name;
	int (*run)(struct host *h, const char *args);
} orders[] = {
	{ "tell", tell }, { "tell-late", tell_late }, { "none", tell_none },
	{ "nonsense", tell_nonsense }, { "hang-up", hang_up },
};

static void obey(struct host *h, char *line)
{
	char *args = line + strcspn(line, " ");
	int rc = -ENOSYS;

	if (*args)
		*args++ = '\0';
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		if (strcmp(orders[i].name, line) == 0)
			rc = orders[i].run(h, args);
	}
	if (rc < 0)
		printf("%s: %s\n", line, strerror(-rc));
}

static int on_input(void *object, int fd, uint32_t events)
{
	struct host *h = object;
	ssize_t n = read(fd, h->line + h->len, sizeof(h->line) - 1 - h->len);
	char *at = h->line, *end;

	(void)events;
	if (n <= 0)
		return -ECONNRESET;
	h->len += (size_t)n;
	h->line[h->len] = '\0';
	while ((end = strchr(at, '\n'))) {
		*end = '\0';
		obey(h, at);
		at = end + 1;
	}
	h->len = strlen(at);
	memmove(h->line, at, h->len + 1);
	return 0;
}

static void on_end(void *object, int fd, int rc)
{
	struct host *h = object;

	(void)rc;
	ev_del(&h->loop, fd);
	ev_stop(&h->loop, 0);
}

static const struct ev_class input = { "orders", on_input, on_end };

int main(int argc, char **argv)
{
	static struct host h;		/* large */
	static const struct hy_log log = { .program = "module-host", .level = HY_LOG_WARN };
	struct chan_config cfg = { .role = ROLE_HOST, .software = "test",
				   .addr = { .kind = CHAN_UNIX }, .dead_ms = DEAD_MS };
	struct hy_err e = { 0 };
	int rc = 2;

	if (argc != 2)
		return rc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(cfg.addr.path, sizeof(cfg.addr.path), "%s", argv[1]);
	rc = ev_open(&h.loop, FDS_MAX, &e);
	if (rc == 0)
		rc = ev_add(&h.loop, STDIN_FILENO, &input, &h, EPOLLIN, &e);
	if (rc == 0)
		rc = chan_open(&h.chan, &cfg, &ops, &h, &h.loop, &log, &e);
	if (rc == 0) {
		puts("ready");
		rc = ev_run(&h.loop, &e);
	}
	if (rc < 0)
		hy_err_print("module-host", &e);
	return rc < 0;
}
