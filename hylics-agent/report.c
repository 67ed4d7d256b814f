/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report.c - tells the host how the guest is: memory, CPU time, share
 *
 * Runs in: hylics-agent
 * Reads from: the kernel (/proc)
 */
#include "hylics-agent/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "hylics-agent/agent.h"

#define TEXT_MAX 4096		/* what is looked for stands at the beginning */
#define KB 1024u
#define TICK_MS 10u		/* the kernel tells CPU times in 1/100 s, whatever its own clock */

/* @text is empty if it cannot be read. */
static void read_text(int fd, char text[TEXT_MAX])
{
	ssize_t n = fd < 0 ? -1 : pread(fd, text, TEXT_MAX - 1, 0);

	text[n > 0 ? n : 0] = '\0';
}

static uint64_t bytes_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) * KB : 0;
}

static void read_memory(const struct reports *r, struct report *m)
{
	char text[TEXT_MAX];

	read_text(r->memory, text);
	m->memory_total = bytes_of(text, "MemTotal:");
	m->memory_available = bytes_of(text, "MemAvailable:");
	if (m->memory_available > m->memory_total)
		m->memory_available = m->memory_total;
}

/* "cpu  " and a number for each of these; niced programs are programs */
static void read_cpu(const struct reports *r, struct report *m)
{
	static const uint8_t where[] = {
		REPORT_CPU_user, REPORT_CPU_user, REPORT_CPU_system, REPORT_CPU_idle,
		REPORT_CPU_iowait, REPORT_CPU_irq, REPORT_CPU_irq, REPORT_CPU_steal,
	};
	char text[TEXT_MAX], *at = text + 3;

	read_text(r->cpu, text);
	if (strncmp(text, "cpu ", 4) != 0)
		return;
	for (size_t i = 0; i < sizeof(where); i++)
		m->cpu_ms[where[i]] += strtoull(at, &at, 10) * TICK_MS;
}

/* "0.25 ..." */
static void read_load(const struct reports *r, struct report *m)
{
	char text[TEXT_MAX], *at = text;

	read_text(r->load, text);
	m->load_100 = (uint32_t)strtoul(text, &at, 10) * 100;
	if (*at == '.')
		m->load_100 += (uint32_t)strtoul(at + 1, NULL, 10);
}

static void say(struct agent *a)
{
	struct reports *r = &a->reports;
	struct report m = { .share = a->share.kind, .cpus = r->cpus };
	uint8_t packet[REPORT_LEN];
	int n;

	read_memory(r, &m);
	read_cpu(r, &m);
	read_load(r, &m);
	for (unsigned int i = MOVE_DONE + 1; i < MOVE_REASONS; i++)
		m.not_offered[i] = why_guest(a, i);
	n = report_encode(&m, packet, sizeof(packet));
	r->owed = n > 0 && chan_send(a->chan, MSG_REPORT, 0, packet, (size_t)n) == -EAGAIN;
	r->said_ms = hy_clock_ms();
}

static void on_time(void *object)
{
	struct agent *a = object;

	if (!a->session)
		return;
	say(a);
	(void)ev_timer_set(a->loop, &a->reports.timer, HY_REPORT_MS);
}

void report_soon(struct agent *a)
{
	struct reports *r = &a->reports;
	uint64_t ago = hy_clock_ms() - r->said_ms;
	uint64_t wait = r->said_ms && ago < HY_REPORT_MIN_MS ? HY_REPORT_MIN_MS - ago : 0;

	if (a->session)
		(void)ev_timer_set(a->loop, &r->timer, wait);
}

void report_room(struct agent *a)
{
	if (a->reports.owed)
		report_soon(a);
	a->reports.owed = false;
}

static int open_file(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC);
}

void report_open(struct agent *a)
{
	int cpus = get_nprocs();	/* asks in ways a sealed agent may not */

	a->reports = (struct reports){
		.memory = open_file("/proc/meminfo"), .cpu = open_file("/proc/stat"),
		.load = open_file("/proc/loadavg"),
		.cpus = (uint16_t)(cpus > UINT16_MAX ? UINT16_MAX : cpus),
		.timer = { .fn = on_time, .object = a },
	};
}

void report_close(struct agent *a)
{
	if (!a->reports.timer.fn)
		return;			/* never opened: its numbers are no descriptors */
	ev_timer_cancel(a->loop, &a->reports.timer);
	hy_fd_close(&a->reports.memory);
	hy_fd_close(&a->reports.cpu);
	hy_fd_close(&a->reports.load);
}
