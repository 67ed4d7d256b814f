/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jobs.c - what the guest tells of its jobs: totals, sums, means of the last minute, the last ones
 *
 * Runs in: hylics-worker
 * Reads from: the guest over the channel (hostile): it is shown; hylicsd heeds it
 */
#include "hylics-worker/jobs.h"

#include <inttypes.h>
#include <string.h>

#include "common/json.h"
#include "common/show.h"

#define MS_PER_S 1000u
#define US_PER_MS 1000u
#define SUM_MAX (INT64_MAX / 2)		/* JSON has no larger numbers for everybody */

/* -- the last ones -- */

/* A guest's age may be longer than there was time. */
static uint64_t before(uint64_t ms, uint64_t us)
{
	uint64_t age_ms = us / US_PER_MS;

	return ms > age_ms ? ms - age_ms : 0;
}

/* The same job as it was told before, else, if all are taken, one that has ended, else any. */
static unsigned int place_for(const struct jobs *js, uint64_t serial)
{
	unsigned int place = 0;

	for (unsigned int i = 0; i < js->n_last; i++) {
		if (js->last[i].serial == serial)
			return i;
	}
	if (js->n_last < HY_JOBS_SHOWN_MAX)
		return js->n_last;
	while (place < js->n_last && js->last[place].state == JOB_RUNNING)
		place++;
	return place < js->n_last ? place : 0;
}

static void keep(struct jobs *js, const struct job_record *r, uint64_t wall_ms)
{
	unsigned int place = place_for(js, r->serial);
	uint64_t ended_ms = before(wall_ms, r->ago_us), begun_ms = before(ended_ms, r->ran_us);
	struct job_shown *j;

	js->n_last += place == js->n_last;
	j = &js->last[js->n_last - 1];
	memmove(&js->last[place], &js->last[place + 1],
		(js->n_last - 1 - place) * sizeof(js->last[0]));
	*j = (struct job_shown){ .serial = r->serial, .state = r->state, .code = r->code,
				 .arrived_ms = before(begun_ms, r->waited_us),
				 .begun_ms = begun_ms,
				 .ended_ms = r->state == JOB_RUNNING ? 0 : ended_ms };
	memcpy(j->name, r->name, sizeof(j->name));
}

/* -- sums and means -- */

/* One job is a year or two, so that nothing can wrap before it is seen. */
static void add_to_sums(struct jobs_sums *s, const struct job_record *r, uint64_t now_ms)
{
	_Static_assert(2 * HY_JOB_US_MAX < SUM_MAX, "a job is no more than there is room for");
	if (s->response_us > SUM_MAX)
		*s = (struct jobs_sums){ .since_ms = now_ms > s->since_ms ? now_ms :
								     s->since_ms + 1 };
	s->finished++;
	s->service_us += r->ran_us;
	s->response_us += r->ran_us + r->waited_us;
}

static bool is_finished(const struct job_record *r)
{
	return r->state == JOB_EXITED && r->code == 0;
}

static void add_to_mean(struct jobs *js, const struct job_record *r, uint64_t now_ms)
{
	uint64_t second = before(now_ms, r->ago_us) / MS_PER_S;
	struct jobs_second *s = &js->second[second % HY_JOBS_MEAN_S];

	if (s->second > second || second + HY_JOBS_MEAN_S <= now_ms / MS_PER_S)
		return;			/* longer ago than the minute */
	if (s->second < second)
		*s = (struct jobs_second){ .second = second };
	s->n++;
	s->service_us += (double)r->ran_us;
	s->response_us += (double)r->ran_us + (double)r->waited_us;
}

static struct jobs_second sum_of_minute(const struct jobs *js, uint64_t now_ms)
{
	struct jobs_second sum = { 0 };

	for (unsigned int i = 0; i < HY_JOBS_MEAN_S; i++) {
		const struct jobs_second *s = &js->second[i];

		if (s->second + HY_JOBS_MEAN_S <= now_ms / MS_PER_S)
			continue;
		sum.n += s->n;
		sum.service_us += s->service_us;
		sum.response_us += s->response_us;
	}
	return sum;
}

int jobs_take(struct jobs *js, const uint8_t *in, size_t len, uint64_t now_ms, uint64_t wall_ms)
{
	struct jobs_told m;
	int rc = jobs_decode(in, len, &m);

	if (rc < 0)
		return rc;
	js->told = true;
	if (!js->sums.since_ms)
		js->sums.since_ms = now_ms ? now_ms : 1;
	js->totals = m.totals;
	for (unsigned int i = 0; i < m.n; i++) {
		keep(js, &m.at[i], wall_ms);
		if (!is_finished(&m.at[i]))
			continue;
		add_to_mean(js, &m.at[i], now_ms);
		add_to_sums(&js->sums, &m.at[i], now_ms);
	}
	return 0;
}

/* -- printing -- */

static void print_minute(const struct jobs_second *sum, FILE *f)
{
	fprintf(f, "\"minute\":{\"finished\":%" PRIu64, sum->n);
	if (sum->n)
		fprintf(f, ",\"service_us\":%.0f,\"response_us\":%.0f",
			sum->service_us / (double)sum->n, sum->response_us / (double)sum->n);
	fputc('}', f);
}

static void print_sums(const struct jobs_sums *s, FILE *f)
{
	fprintf(f, ",\"sums\":{\"since_ms\":%" PRIu64 ",\"finished\":%" PRIu64
		",\"service_us\":%" PRIu64 ",\"response_us\":%" PRIu64 "}", s->since_ms,
		s->finished, s->service_us, s->response_us);
}

static void print_last(const struct job_shown *j, FILE *f)
{
	fputs("{\"name\":", f);
	hy_json_string(f, j->name);
	fprintf(f, ",\"state\":\"%s\",\"arrived_ms\":%" PRIu64 ",\"begun_ms\":%" PRIu64,
		job_state_name(j->state), j->arrived_ms, j->begun_ms);
	if (j->state != JOB_RUNNING)
		fprintf(f, ",\"ended_ms\":%" PRIu64, j->ended_ms);
	if (j->state == JOB_EXITED || j->state == JOB_KILLED)
		fprintf(f, ",\"code\":%u", j->code);
	fputc('}', f);
}

void jobs_print(const struct jobs *js, uint64_t now_ms, FILE *f)
{
	struct jobs_second sum = sum_of_minute(js, now_ms);

	if (!js->told)
		return;
	fputs(",\"jobs\":{", f);
	hy_show_counters(f, jobs_total_names, (const uint64_t *)&js->totals, JOBS_N_TOTALS);
	print_minute(&sum, f);
	print_sums(&js->sums, f);
	fputs(",\"last\":[", f);
	for (unsigned int i = 0; i < js->n_last; i++) {
		fputs(i ? "," : "", f);
		print_last(&js->last[i], f);
	}
	fputs("]}", f);
}
