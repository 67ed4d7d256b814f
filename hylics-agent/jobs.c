/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jobs.c - jobs that programs mark: which run, how many there were, what the host is told of them
 *
 * Runs in: hylics-agent
 * Reads from: programs of the guest (hostile)
 */
#include "hylics-agent/jobs.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/fdpass.h"
#include "common/own.h"
#include "hylics-agent/agent.h"

#define NS_PER_US 1000u

static uint64_t us_since(uint64_t ns)
{
	uint64_t us = (hy_clock_ns() - ns) / NS_PER_US;

	return us < HY_JOB_US_MAX ? us : HY_JOB_US_MAX;
}

/* -- what waits to be told -- */

static struct job_ended *ended_at(struct jobs *js, unsigned int i)
{
	return &js->ended[(js->first + i) % HY_JOBS_UNTOLD_MAX];
}

static void ended_pop(struct jobs *js, unsigned int n)
{
	js->first = (js->first + n) % HY_JOBS_UNTOLD_MAX;
	js->n_ended -= n;
}

static void ended_push(struct jobs *js, const struct job_record *record)
{
	if (js->n_ended == HY_JOBS_UNTOLD_MAX) {
		ended_pop(js, 1);
		js->totals.untold++;
	}
	*ended_at(js, js->n_ended++) = (struct job_ended){ .record = *record,
							     .ended_ns = hy_clock_ns() };
}

/* The first change is the one that waits for others. */
static void tell_soon(struct agent *a)
{
	struct jobs *js = &a->jobs;

	if (a->session && !js->owed && !js->timer.pos)
		(void)ev_timer_set(a->loop, &js->timer, HY_JOBS_TELL_MS);
}

static void add_ended(struct jobs *js, struct jobs_told *m)
{
	for (; m->n < js->n_ended && m->n < HY_JOBS_BATCH_MAX; m->n++) {
		const struct job_ended *e = ended_at(js, m->n);

		m->at[m->n] = e->record;
		m->at[m->n].ago_us = us_since(e->ended_ns);
	}
}

/* As many of those that run as the host shows, whichever they are. */
static void add_running(struct jobs *js, struct jobs_told *m)
{
	unsigned int most = m->n + HY_JOBS_SHOWN_MAX;

	for (unsigned int i = 0; i < js->top && m->n < most && m->n < HY_JOBS_BATCH_MAX; i++) {
		const struct job *j = &js->at[i];
		struct job_record *to = &m->at[m->n];

		if (!j->serial || j->told)
			continue;
		*to = (struct job_record){ .serial = j->serial, .state = JOB_RUNNING,
					   .waited_us = j->waited_us,
					   .ran_us = us_since(j->begun_ns) };
		memcpy(to->name, j->name, sizeof(to->name));
		m->n++;
	}
}

static int say(struct agent *a)
{
	struct jobs_told *m = &a->jobs.message;
	int n = jobs_encode(m, a->packet, sizeof(a->packet));

	return n < 0 ? n : chan_send(a->chan, MSG_JOBS, 0, a->packet, (size_t)n);
}

static void know_running(struct jobs *js, bool told)
{
	for (unsigned int i = 0; i < js->top; i++)
		js->at[i].told = told;
}

/* Message after message, until no ended job waits, or the channel takes no more. */
static void tell(void *object)
{
	struct agent *a = object;
	struct jobs *js = &a->jobs;
	struct jobs_told *m = &js->message;
	unsigned int ended;

	js->owed = false;
	ev_timer_cancel(a->loop, &js->timer);
	do {
		m->totals = js->totals;
		m->n = 0;
		add_ended(js, m);
		ended = m->n;
		add_running(js, m);
		js->owed = a->session && say(a) == -EAGAIN;
		if (js->owed || !a->session)
			return;
		ended_pop(js, ended);
		know_running(js, true);
	} while (js->n_ended);
}

void jobs_up(struct agent *a)
{
	const struct jobs_totals *t = &a->jobs.totals;

	a->jobs.owed = false;
	know_running(&a->jobs, false);
	if (t->arrived || t->dropped)
		tell_soon(a);
}

void jobs_room(struct agent *a)
{
	if (a->jobs.owed)
		tell(a);
}

/* -- a job's end -- */

static void end(struct job *j, unsigned int state, unsigned int code, uint64_t ran_us)
{
	struct agent *a = j->agent;
	struct jobs *js = &a->jobs;
	struct job_record record = { .serial = j->serial, .state = (uint8_t)state,
				     .code = (uint8_t)code, .waited_us = j->waited_us,
				     .ran_us = ran_us };

	memcpy(record.name, j->name, sizeof(record.name));
	j->serial = 0;
	while (js->top && !js->at[js->top - 1].serial)
		js->top--;
	js->totals.running--;
	if (state == JOB_LOST)
		js->totals.lost++;
	else if (state == JOB_EXITED && code == 0)
		js->totals.finished++;
	else
		js->totals.failed++;
	ended_push(js, &record);
	if (a->session && !js->owed && js->n_ended >= HY_JOBS_BATCH_MAX)
		tell(a);
	else
		tell_soon(a);
}

/*
 * One that closed with our answer unread is an error first; what it had said before comes behind.
 */
static ssize_t hear(int fd, uint8_t in[LOCAL_PACKET_MAX])
{
	struct hy_fds none = { 0 };
	ssize_t n = hy_fds_recv(fd, in, LOCAL_PACKET_MAX, &none, 0, MSG_DONTWAIT);

	return n == -ECONNRESET ? hy_fds_recv(fd, in, LOCAL_PACKET_MAX, &none, 0, MSG_DONTWAIT) : n;
}

/* Whatever it says ends it: there is nothing else to be said, and nobody is answered. */
static int job_handle(void *object, int fd, uint32_t events)
{
	uint8_t in[LOCAL_PACKET_MAX];
	struct local_job_end m;
	struct local_header h;
	ssize_t n = hear(fd, in);

	(void)events;
	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	if (local_decode_header(in, (size_t)n, &h) < 0 || h.type != LOCAL_JOB_END ||
	    job_decode_end(in, (size_t)n, &m) < 0)
		return -EPROTO;
	end(object, m.state, m.code, m.ran_us);
	return -ESHUTDOWN;
}

static void job_drop(void *object, int fd, int rc)
{
	struct job *j = object;
	struct agent *a = j->agent;

	if (rc == -EPROTO)
		hy_log_limited(a->log, &a->rate_program, HY_LOG_WARN,
			       "job '%s' of user %u: what it said of its end makes no sense",
			       j->name, (unsigned int)j->user);
	if (rc != -ESHUTDOWN)
		end(j, JOB_LOST, 0, us_since(j->begun_ns));
	ev_del(a->loop, fd);
	hy_fd_close(&fd);
}

static const struct ev_class job_class = { "job", job_handle, job_drop };

/* -- a job's begin -- */

/* Why a user may have no other row; NULL: he may, and @to is one. */
static const char *find_row(struct jobs *js, uid_t user, struct job **to)
{
	struct job *found = NULL;
	unsigned int his = 0;

	for (struct job *j = js->at; j < js->at + js->top; j++) {
		if (j->serial)
			his += j->user == user;
		else if (!found)
			found = j;
	}
	if (!found && js->top < HY_JOBS_MAX)
		found = &js->at[js->top];
	*to = found;
	if (his >= HY_JOBS_PER_USER_MAX)
		return "the jobs of one user that run at once are as many as are counted";
	return found ? NULL : "the jobs that run at once are as many as are counted";
}

static struct job *take(struct agent *a, struct job *j, const struct local_job_begin *m, uid_t user)
{
	struct jobs *js = &a->jobs;

	*j = (struct job){ .agent = a, .serial = ++js->totals.arrived, .waited_us = m->waited_us,
			   .begun_ns = hy_clock_ns(), .user = user };
	memcpy(j->name, m->name, sizeof(j->name));
	js->totals.running++;
	if (j == &js->at[js->top])
		js->top++;
	return j;
}

int jobs_request(struct agent *a, struct request *r)
{
	struct local_job_begin m;
	const char *why;
	struct job *j;

	if (job_decode_begin(r->packet, r->len, &m) < 0)
		return request_refuse(r, EINVAL, "this is no begin of a job");
	if (*r->program)
		return request_refuse(r, EBUSY, "a job needs a connection of its own");
	why = find_row(&a->jobs, r->user, &j);
	if (why) {
		a->jobs.totals.dropped++;
		tell_soon(a);
		return request_refuse(r, EAGAIN, "%s", why);
	}
	r->job = take(a, j, &m, r->user);
	tell_soon(a);
	return (int)(LOCAL_PACKET_MAX - local_begin(LOCAL_JOB_BEGUN, r->head.id, r->answer).left);
}

int jobs_watch(struct job *j, int fd)
{
	struct agent *a = j->agent;
	struct hy_err e;

	if (ev_add(a->loop, fd, &job_class, j, EPOLLIN, &e) == 0)
		return 0;
	hy_log_limited(a->log, &a->rate_program, HY_LOG_WARN, "%s", e.text);
	end(j, JOB_LOST, 0, 0);
	hy_fd_close(&fd);
	return -e.num;
}

void jobs_open(struct agent *a)
{
	a->jobs.timer = (struct ev_timer){ .fn = tell, .object = a };
}

void jobs_close(struct agent *a)
{
	ev_timer_cancel(a->loop, &a->jobs.timer);
}
