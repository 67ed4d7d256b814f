/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modrun.c - one module of a VM: its program, and what is known of it
 *
 * Runs in: hylics-keeper
 * Reads from: what the module's program prints (hostile); the kernel's answers
 */
#include "hylics-keeper/modrun.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "common/printable.h"
#include "conf/words.h"

#define SIGNALLED 128			/* a warden's exit code for a signal, see cell.h */
#define VALUE_MAX 128
#define NEWS_CPU_US 10000
#define NEWS_MEMORY (1u << 20)

static void changed(struct modrun *r)
{
	r->ground->changed(r->ground->object, r->number);
}

/* -- what it prints -- */

/* The guest and logs get letters alone. */
static void end_line(struct modrun *r)
{
	if (r->line_len == 0)
		return;
	memcpy(r->last, r->line, r->line_len);
	r->last[r->line_len] = '\0';
	hy_make_printable(r->last);
	r->line_len = 0;
	hy_log_limited(r->ground->log, &r->rate, HY_LOG_INFO, "module '%s': %s", r->conf.name,
		       r->last);
}

static void take_letter(struct modrun *r, char letter)
{
	if (!letter)
		letter = '?';
	if (letter == '\n')
		end_line(r);
	else if (r->line_len < MODULES_WHY_MAX)
		r->line[r->line_len++] = letter;
}

/* Return: 0, -EPIPE at the end */
static int read_words(struct modrun *r)
{
	char buf[4096];
	ssize_t n = read(r->cell.words, buf, sizeof(buf));

	for (ssize_t i = 0; i < n; i++)
		take_letter(r, buf[i]);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)) ? 0 : -EPIPE;
}

static int words_handle(void *object, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	return read_words(object);
}

static void words_drop(void *object, int fd, int rc)
{
	struct modrun *r = object;

	(void)rc;
	ev_del(r->ground->loop, fd);
	hy_fd_close(&r->cell.words);
}

static const struct ev_class words_class = { "what a module prints", words_handle, words_drop };

/* What the last words were, as far as they have come. */
static void last_words(struct modrun *r)
{
	for (int i = 0; r->cell.words >= 0 && i < 16 && read_words(r) == 0; i++)
		;
	end_line(r);
	if (r->cell.words >= 0)
		words_drop(r, r->cell.words, 0);
}

/* -- starting -- */

void modrun_say_why(struct modrun *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	hy_make_printable(r->why);
	hy_log_limited(r->ground->log, &r->rate, HY_LOG_WARN, "module '%s': %s", r->conf.name,
		       r->why);
}

/* What stands in the command stands in the environment, too; nothing of the host's does. */
struct surroundings {
	char value[WORDS_VALUES][VALUE_MAX];
	char text[WORDS_VALUES + 3][VALUE_MAX + 32];
	char *at[WORDS_VALUES + 4];
};

static void surround(const struct modrun *r, struct surroundings *s)
{
	static const char *const names[WORDS_VALUES] = { "PORT", "SHARE", "RUN", "VM" };
	unsigned int n = WORDS_VALUES;

	snprintf(s->value[WORDS_PORT], VALUE_MAX, "%u", r->port);
	snprintf(s->value[WORDS_SHARE], VALUE_MAX, "%s", CELL_SHARE);
	snprintf(s->value[WORDS_RUN], VALUE_MAX, "%s", CELL_OWN);
	snprintf(s->value[WORDS_VM], VALUE_MAX, "%s", r->ground->vm);
	for (unsigned int i = 0; i < n; i++)
		snprintf(s->text[i], sizeof(s->text[i]), "HYLICS_%s=%s", names[i], s->value[i]);
	snprintf(s->text[n++], sizeof(s->text[0]), "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
	snprintf(s->text[n++], sizeof(s->text[0]), "HOME=%s", CELL_OWN);
	snprintf(s->text[n++], sizeof(s->text[0]), "TMPDIR=%s", CELL_OWN);
	for (unsigned int i = 0; i < n; i++)
		s->at[i] = s->text[i];
	s->at[n] = NULL;
}

static int start_words(struct modrun *r, const struct surroundings *s, struct words *w,
		       struct hy_err *e)
{
	const char *value[WORDS_VALUES];

	for (unsigned int i = 0; i < WORDS_VALUES; i++)
		value[i] = s->value[i];
	return words_fill(r->conf.command, value, w, e);
}

static int start_cell(struct modrun *r, struct hy_err *e)
{
	static struct surroundings s;	/* large; one loop */
	static struct words w;
	const char *files[MODULE_FILES_MAX];
	struct cell_spec spec = {
		.twin = r->ground->twin, .share = r->ground->share, .folder = r->conf.folder,
		.files = files, .n_files = r->conf.n_files, .uid = r->ground->uid, .port = r->port,
		.argv = w.at, .envp = s.at, .descriptors = (uint64_t)r->conf.descriptors,
		.tasks = (uint64_t)r->conf.tasks, .memory = r->conf.memory,
	};
	int rc;

	surround(r, &s);
	for (unsigned int i = 0; i < r->conf.n_files; i++)
		files[i] = r->conf.file[i];
	rc = start_words(r, &s, &w, e);
	return rc < 0 ? rc : cell_start(&r->cell, &spec, e);
}

static int watch_cell(struct modrun *r, struct hy_err *e)
{
	int rc;

	r->child.pid = r->cell.pid;
	rc = ev_child_watch(r->ground->loop, &r->child, e);
	if (rc < 0) {
		hy_fd_close(&r->cell.life);
		hy_fd_close(&r->cell.words);
		waitpid(r->cell.pid, NULL, 0);
		return rc;
	}
	r->line_len = 0;
	r->last[0] = '\0';
	if (ev_add(r->ground->loop, r->cell.words, &words_class, r, EPOLLIN, NULL) < 0)
		hy_fd_close(&r->cell.words);
	return 0;
}

/* The file may have changed since: what it says now is what is started. */
static int read_again(struct modrun *r, struct hy_err *e)
{
	static struct module now;	/* large */
	int rc = module_read(r->ground->folder, r->conf.name, &now, e);

	if (rc < 0)
		return rc;
	r->conf = now;
	return modules_ports_have(&now.ports, r->port) ? 0 :
	       hy_err_usage(e, "ports", "port %u is not allowed any more", r->port);
}

static int start(struct modrun *r, struct hy_err *e)
{
	int rc = read_again(r, e);

	if (rc == 0)
		rc = twin_listen(r->ground->twin, r->port, true, e);
	if (rc == 0)
		rc = start_cell(r, e);
	return rc < 0 ? rc : watch_cell(r, e);
}

/* -- its life -- */

/* UINT64_MAX: nothing is waited for but its end, or what the guest wants. */
static uint64_t wait_ms(const struct modrun *r)
{
	uint64_t now = hy_clock_ms(), due = modlife_due_ms(&r->life), wait;

	if (r->life.state == MODULES_LIFE_running)
		return MODRUN_COUNT_MS;
	if (due == UINT64_MAX)
		return UINT64_MAX;
	wait = due <= now ? 0 : due - now;
	return r->life.state == MODULES_LIFE_starting && wait > MODRUN_LOOK_MS ? MODRUN_LOOK_MS :
										wait;
}

static void set_timer(struct modrun *r)
{
	uint64_t wait = wait_ms(r);

	if (wait == UINT64_MAX)
		ev_timer_cancel(r->ground->loop, &r->timer);
	else
		ev_timer_set(r->ground->loop, &r->timer, wait);
}

static void try_start(struct modrun *r)
{
	char text[HY_ERR_MESSAGE_MAX];
	struct hy_err e = { 0 };

	if (start(r, &e) == 0)
		return;
	hy_err_message(&e, text);
	modrun_say_why(r, "%s", text);
	modlife_ended(&r->life, hy_clock_ms());
}

/* A client must not take what a killed program leaves in a socket for the end of an answer. */
static void kill_all(struct modrun *r)
{
	struct hy_err e = { 0 };

	if (twin_port_reset(r->ground->desk, r->port, &e) < 0)
		hy_log_err(r->ground->log, HY_LOG_DEBUG, &e);
	kill(r->child.pid, SIGKILL);
}

static void obey(struct modrun *r, enum modlife_act act)
{
	if (act == MODLIFE_START)
		try_start(r);
	if (act == MODLIFE_ASK)
		kill(r->child.pid, SIGTERM);
	if (act == MODLIFE_KILL)
		kill_all(r);
	set_timer(r);
}

static void has_stopped(struct modrun *r)
{
	uint16_t port = r->port;

	if (r->life.state != MODULES_LIFE_stopped || !port)
		return;
	r->port = 0;
	r->ground->freed(r->ground->object, port);
}

static void apply(struct modrun *r)
{
	bool moves = r->port && r->port != r->wanted;

	if (!r->port)
		r->port = r->wanted;
	obey(r, modlife_want(&r->life, r->wanted && !moves, hy_clock_ms()));
	has_stopped(r);
}

static void describe_end(struct modrun *r, int status)
{
	int code = status == EV_CHILD_UNKNOWN || !WIFEXITED(status) ? SIGNALLED + SIGKILL :
								      WEXITSTATUS(status);

	if (r->life.killed && r->life.state == MODULES_LIFE_starting)
		modrun_say_why(r, "did not listen at port %u within %d s%s%s", r->port,
			       MODLIFE_START_MS / 1000, r->last[0] ? ": " : "", r->last);
	else if (code == CELL_FAILED && r->last[0])
		modrun_say_why(r, "%s", r->last);
	else if (code > SIGNALLED)
		modrun_say_why(r, "killed by signal %d%s%s", code - SIGNALLED,
			       r->last[0] ? ": " : "", r->last);
	else
		modrun_say_why(r, "ended with exit code %d%s%s", code, r->last[0] ? ": " : "",
			       r->last);
}

static void ended(void *object, pid_t pid, int status)
{
	struct modrun *r = object;

	(void)pid;
	last_words(r);
	hy_fd_close(&r->cell.life);
	r->spent_us += r->usage.cpu_us;
	r->usage = (struct usage){ 0 };
	r->connections = 0;
	r->heard = (struct modrun_news){ 0 };
	if (r->life.state != MODULES_LIFE_stopping)
		describe_end(r, status);
	obey(r, modlife_ended(&r->life, hy_clock_ms()));
	has_stopped(r);
	if (r->life.state == MODULES_LIFE_stopped && r->wanted)
		apply(r);
	changed(r);
}

static struct modrun_news news_of(const struct modrun *r)
{
	return (struct modrun_news){ r->life.state, r->connections, r->usage.cpu_us,
				     r->usage.memory };
}

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* It is not woken for a few ticks of a program without work: they are told with the rest. */
static bool is_news(const struct modrun_news *before, const struct modrun_news *now)
{
	return now->state != before->state || now->connections != before->connections ||
	       apart(now->cpu_us, before->cpu_us) >= NEWS_CPU_US ||
	       apart(now->memory, before->memory) >= NEWS_MEMORY;
}

/* Return: whether there is news */
static bool look(struct modrun *r)
{
	struct modrun_news now;
	struct twin_port p;

	if (twin_port_look(r->ground->desk, r->port, &p, NULL) < 0)
		return false;
	r->connections = p.connections;
	if (p.listens)
		modlife_listens(&r->life, hy_clock_ms());
	if (r->life.state == MODULES_LIFE_running)
		usage_read(r->cell.pid, &r->usage);
	now = news_of(r);
	if (!is_news(&r->heard, &now))
		return false;
	r->heard = now;
	return true;
}

static void on_timer(void *object)
{
	struct modrun *r = object;
	enum modlife_act act;
	bool news = false;

	if (r->life.state == MODULES_LIFE_starting || r->life.state == MODULES_LIFE_running)
		news = look(r);
	act = modlife_due(&r->life, hy_clock_ms());
	obey(r, act);
	if (news || act == MODLIFE_START)
		changed(r);
}

/* -- for its owner -- */

void modrun_open(struct modrun *r, const struct modrun_ground *g, unsigned int number)
{
	*r = (struct modrun){ .ground = g, .number = number,
			      .cell = { .life = -1, .words = -1 } };
	r->child = (struct ev_child){ .fn = ended, .object = r, .pidfd = -1 };
	r->timer = (struct ev_timer){ .fn = on_timer, .object = r };
}

void modrun_want(struct modrun *r, uint16_t port)
{
	if (port && port != r->wanted)
		r->spent_us = 0;
	r->wanted = port;
	apply(r);
	if (r->life.state == MODULES_LIFE_stopped && r->wanted)
		apply(r);		/* it had failed at another port */
}

void modrun_tell(const struct modrun *r, struct modules_state *s)
{
	s->life = (uint8_t)r->life.state;
	s->port = r->port;
	s->starts = r->life.starts;
	s->since_ms = r->life.since_ms ? hy_clock_ms() - r->life.since_ms : 0;
	s->connections = r->connections;
	s->cpu_us = r->spent_us + r->usage.cpu_us;
	s->memory = r->usage.memory;
	s->ports = r->conf.ports;
	memcpy(s->name, r->conf.name, sizeof(s->name));
	memcpy(s->why, r->why, sizeof(s->why));
}

void modrun_hold(const struct modrun *r)
{
	if (r->cell.life >= 0)
		cell_hold(&r->cell, r->ground->twin);
}

void modrun_close(struct modrun *r)
{
	ev_timer_cancel(r->ground->loop, &r->timer);
	if (r->child.pidfd >= 0) {
		kill_all(r);
		ev_child_forget(&r->child);
		waitpid(r->cell.pid, NULL, 0);
	}
	if (r->cell.words >= 0)
		words_drop(r, r->cell.words, 0);
	hy_fd_close(&r->cell.life);
}
