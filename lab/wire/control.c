/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control.c - the control socket: marks, settings, rules and questions from outside
 *
 * Runs in: hylics-wire
 * Reads from: whoever may open the socket, which is made for its owner only; strict
 *
 * A line is a command, and each gets one line as its answer: "ok", a JSON object, or "error: " and
 * what was wrong. An answer to `wait` comes when what it waits for is so.
 */
#include "lab/wire/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/own.h"
#include "lab/wire/event.h"
#include "lab/wire/value.h"
#include "lab/wire/wire.h"
#include "lab/wire/words.h"

#define BACKLOG 8

/* A command being carried out; @answer is "ok" unless the command gives another. */
struct command {
	struct control *control;
	struct control_client *client;
	struct words words;
	const char *line;
	const char *answer;
	struct hy_err *e;
};

static int socket_address(struct sockaddr_un *address, const char *path, struct hy_err *e)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path))
		return hy_err_set(e, ENAMETOOLONG, "control socket '%s'", path);
	memcpy(address->sun_path, path, strlen(path) + 1);
	return 0;
}

/* Removes a socket that a wire which was killed has left. */
static int remove_stale(const struct sockaddr_un *address, struct hy_err *e)
{
	hy_autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return 0;
	if (fd < 0 || !S_ISSOCK(st.st_mode) ||
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	    errno != ECONNREFUSED)
		return hy_err_set(e, EADDRINUSE, "control socket '%s'", address->sun_path);
	return unlink(address->sun_path) < 0
		? hy_err_set(e, errno, "control socket '%s': remove the old one",
			     address->sun_path)
		: 0;
}

static int bind_private(int fd, const struct sockaddr_un *address)
{
	mode_t before = umask(S_IXUSR | S_IRWXG | S_IRWXO);
	int rc = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	umask(before);
	return rc;
}

static int listen_at(struct control *c, const char *path, struct hy_err *e)
{
	hy_autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	int rc = socket_address(&address, path, e);

	if (rc == 0)
		rc = remove_stale(&address, e);
	if (rc < 0)
		return rc;
	rc = fd < 0 ? -errno : bind_private(fd, &address);
	if (rc < 0)
		return hy_err_set(e, -rc, "control socket '%s': make", path);
	c->path = path;
	if (listen(fd, BACKLOG) < 0)
		return hy_err_set(e, errno, "control socket '%s': listen", path);
	c->fd = hy_fd_steal(&fd);
	return 0;
}

int control_open(struct control *c, struct wire *w, const char *path, struct hy_err *e)
{
	struct event ev = { .kind = EVENT_LISTENER };
	int rc;

	*c = (struct control){ .wire = w, .fd = -1 };
	for (int i = 0; i < WIRE_CLIENTS_MAX; i++)
		c->client[i].fd = -1;
	if (!path)
		return 0;
	rc = listen_at(c, path, e);
	if (rc < 0)
		return rc;
	rc = event_watch(w->epoll_fd, EPOLL_CTL_ADD, c->fd, ev, EPOLLIN);
	return rc < 0 ? hy_err_set(e, -rc, "control socket '%s': watch", path) : 0;
}

static void drop(struct control_client *client)
{
	hy_fd_close(&client->fd);
	client->generation++;
	client->wait = CONTROL_NO_WAIT;
}

void control_close(struct control *c)
{
	for (int i = 0; c->wire && i < WIRE_CLIENTS_MAX; i++)
		drop(&c->client[i]);
	hy_fd_close(&c->fd);
	if (c->path)
		unlink(c->path);
	c->path = NULL;
}

void control_accept(struct control *c)
{
	hy_autofd fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct event ev = { .kind = EVENT_CLIENT };

	for (; fd >= 0 && ev.index < WIRE_CLIENTS_MAX; ev.index++) {
		struct control_client *client = &c->client[ev.index];

		if (client->fd >= 0)
			continue;
		ev.generation = client->generation;
		if (event_watch(c->wire->epoll_fd, EPOLL_CTL_ADD, fd, ev, EPOLLIN) < 0)
			return;
		client->fd = hy_fd_steal(&fd);
		client->n = 0;
		client->ended = false;
		return;
	}
}

/* A client that does not read its answers loses its connection. */
static void answer(struct control_client *client, const char *prefix, const char *text)
{
	char out[WIRE_STATS_TEXT_MAX];
	int n = snprintf(out, sizeof(out), "%s%s\n", prefix, text);

	if (n >= (int)sizeof(out) ||
	    send(client->fd, out, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
		drop(client);
}

static int run_mark(struct command *c)
{
	int mark, rc = rule_mark_find(&c->control->wire->script, c->words.word[1], &mark, c->e);

	if (rc < 0)
		return rc;
	wire_drain(c->control->wire);
	wire_raise(c->control->wire, mark);
	return 0;
}

static int run_stats(struct command *c)
{
	static char text[WIRE_STATS_TEXT_MAX - 2];
	FILE *out = fmemopen(text, sizeof(text), "w");

	if (!out)
		return hy_err_set(c->e, errno, "statistics");
	wire_drain(c->control->wire);
	wire_report(c->control->wire, out);
	fclose(out);
	text[strcspn(text, "\n")] = '\0';
	c->answer = text;
	return 0;
}

static int run_set(struct command *c)
{
	return impair_set(c->control->wire->config.impair, c->words.word[1], c->words.word[2],
			  c->e);
}

static int run_add(struct command *c)
{
	struct script *s = &c->control->wire->script;
	const char *rule = c->line + strspn(c->line, " \t") + strlen(c->words.word[0]);

	return rule_add(s, s->rules + 1, rule, c->e);
}

static int wait_for_mark(struct command *c, const char *name)
{
	c->client->wait = CONTROL_WAIT_MARK;
	return rule_mark_find(&c->control->wire->script, name, &c->client->object, c->e);
}

static int wait_for_rule(struct command *c, const char *name)
{
	c->client->wait = CONTROL_WAIT_RULE;
	c->client->object = rule_find(&c->control->wire->script, name);
	if (c->client->object < 0)
		return hy_err_set(c->e, ENOENT, "no rule is called '%s'", name);
	return 0;
}

/* wait empty | wait mark NAME [COUNT] | wait rule NAME [COUNT] */
static int parse_wait(struct command *c)
{
	struct words *w = &c->words;

	c->client->count = 1;
	if (w->n == 2 && strcmp(w->word[1], "empty") == 0) {
		c->client->wait = CONTROL_WAIT_EMPTY;
		return 0;
	}
	if (w->n == 4 && value_count(w->word[3], UINT32_MAX, &c->client->count) < 0)
		return hy_err_set(c->e, EINVAL, "'%s': want a number", w->word[3]);
	if (w->n >= 3 && strcmp(w->word[1], "mark") == 0)
		return wait_for_mark(c, w->word[2]);
	if (w->n >= 3 && strcmp(w->word[1], "rule") == 0)
		return wait_for_rule(c, w->word[2]);
	return hy_err_set(c->e, EINVAL, "want: wait empty, wait mark NAME [COUNT] or "
			  "wait rule NAME [COUNT]");
}

static int run_wait(struct command *c)
{
	int rc = parse_wait(c);

	c->answer = NULL;
	if (rc < 0)
		c->client->wait = CONTROL_NO_WAIT;
	else
		wire_drain(c->control->wire);
	return rc;
}

static int run_quit(struct command *c)
{
	c->control->wire->stop = true;
	return 0;
}

static const struct {
	const char *word;
	const char *usage;
	unsigned int min_words, max_words;
	int (*run)(struct command *c);
} commands[] = {
	{ "mark", "mark NAME", 2, 2, run_mark },
	{ "stats", "stats", 1, 1, run_stats },
	{ "set", "set SETTING VALUE", 3, 3, run_set },
	{ "add", "add RULE", 2, WIRE_WORDS_MAX, run_add },
	{ "wait", "wait empty|mark|rule [NAME [COUNT]]", 2, 4, run_wait },
	{ "quit", "quit", 1, 1, run_quit },
};

static int dispatch(struct command *c)
{
	const char *word = c->words.word[0];

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].word, word) != 0)
			continue;
		if (c->words.n < commands[i].min_words || c->words.n > commands[i].max_words)
			return hy_err_set(c->e, EINVAL, "want: %s", commands[i].usage);
		return commands[i].run(c);
	}
	return hy_err_set(c->e, EINVAL, "'%s': want mark, stats, set, add, wait or quit", word);
}

static void carry_out(struct control *control, struct control_client *client, const char *line)
{
	struct hy_err e = { .num = 0 };
	struct command c = { .control = control, .client = client, .line = line, .answer = "ok",
			     .e = &e };
	int rc = words_split(&c.words, line, &e);

	if (rc == 0 && c.words.n == 0)
		return;
	if (rc == 0)
		rc = dispatch(&c);
	if (rc < 0)
		answer(client, "error: ", e.text);
	else if (c.answer)
		answer(client, "", c.answer);
}

/* Carries out the whole lines in the buffer, up to one that waits. */
static void take_lines(struct control *c, struct control_client *client)
{
	char line[WIRE_LINE_MAX + 1];
	char *end;

	while (client->fd >= 0 && client->wait == CONTROL_NO_WAIT &&
	       (end = memchr(client->line, '\n', client->n)) != NULL) {
		size_t len = (size_t)(end - client->line);

		memcpy(line, client->line, len);
		line[len] = '\0';
		client->n -= (unsigned int)len + 1;
		memmove(client->line, end + 1, client->n);
		carry_out(c, client, strlen(line) == len ? line : "\x01");
	}
}

/* It will say no more: gone, unless an answer is still to come. */
static void ended(struct control *c, struct control_client *client, struct event ev)
{
	client->ended = true;
	if (client->wait == CONTROL_NO_WAIT ||
	    event_watch(c->wire->epoll_fd, EPOLL_CTL_MOD, client->fd, ev, 0) < 0)
		drop(client);
}

void control_event(struct control *c, unsigned int index, uint32_t generation, uint32_t events)
{
	struct control_client *client = &c->client[index];
	struct event ev = { .kind = EVENT_CLIENT, .index = index, .generation = generation };
	ssize_t got;

	if (client->fd < 0 || client->generation != generation)
		return;
	if (client->ended || client->n == sizeof(client->line)) {
		/* Gone while it waited, or a line longer than any command. */
		drop(client);
		return;
	}
	got = recv(client->fd, client->line + client->n, sizeof(client->line) - client->n,
		   MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < 0) {
		drop(client);
		return;
	}
	client->n += (unsigned int)got;
	take_lines(c, client);
	if (client->fd >= 0 && (got == 0 || events & EPOLLHUP))
		ended(c, client, ev);
}

static bool came_true(const struct control *c, const struct control_client *client)
{
	const struct script *s = &c->wire->script;

	switch (client->wait) {
	case CONTROL_WAIT_MARK:
		return s->mark[client->object].raised >= client->count;
	case CONTROL_WAIT_RULE:
		return s->state[client->object].fired >= client->count;
	case CONTROL_WAIT_EMPTY:
		return wire_empty(c->wire);
	case CONTROL_NO_WAIT:
		break;
	}
	return false;
}

void control_check_waits(struct control *c)
{
	for (int i = 0; i < WIRE_CLIENTS_MAX; i++) {
		struct control_client *client = &c->client[i];

		if (!came_true(c, client))
			continue;
		client->wait = CONTROL_NO_WAIT;
		answer(client, "", "ok");
		if (client->fd >= 0)
			take_lines(c, client);
		if (client->fd >= 0 && client->ended && client->wait == CONTROL_NO_WAIT)
			drop(client);
	}
}
