/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_sock.c - single steps and single facts of a TCP socket, for the tcp_* probes
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: the kernel (/proc/net of the private namespace)
 */
#include "tests/probes/tcp_sock.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SNMP_LINE_MAX 1024
#define STATE_COLUMN 4

void tcp_sock_need(int level, int opt, const char *name)
{
	int sock = (int)PROBE_TRY(socket(AF_INET, SOCK_STREAM, 0));
	int on = 1;

	if (setsockopt(sock, level, opt, &on, sizeof(on)) < 0)
		probe_skip_all("%s: %s", name, strerror(errno));
	close(sock);
}

int tcp_sock_try_freeze(int sock)
{
	struct sock_filter drop_all = { .code = BPF_RET | BPF_K, .k = 0 };
	struct sock_fprog prog = { .len = 1, .filter = &drop_all };

	return setsockopt(sock, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ? errno : 0;
}

void tcp_sock_freeze(int sock)
{
	int err = tcp_sock_try_freeze(sock);

	if (err)
		probe_bail("SO_ATTACH_FILTER: %s", strerror(err));
}

void tcp_sock_thaw(int sock)
{
	tcp_sock_set(sock, SOL_SOCKET, SO_DETACH_FILTER, 0);
}

void tcp_sock_set(int sock, int level, int opt, int value)
{
	if (setsockopt(sock, level, opt, &value, sizeof(value)) < 0)
		probe_bail("setsockopt level %d option %d = %d: %s", level, opt, value,
			   strerror(errno));
}

int tcp_sock_get(int sock, int level, int opt)
{
	socklen_t len = sizeof(int);
	int value = 0;

	if (getsockopt(sock, level, opt, &value, &len) < 0)
		probe_bail("getsockopt level %d option %d: %s", level, opt, strerror(errno));
	return value;
}

void tcp_sock_repair(int sock, int mode)
{
	tcp_sock_set(sock, IPPROTO_TCP, TCP_REPAIR, mode);
}

void tcp_sock_queue(int sock, int queue)
{
	tcp_sock_set(sock, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue);
}

struct tcp_info tcp_sock_info(int sock)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	PROBE_TRY(getsockopt(sock, IPPROTO_TCP, TCP_INFO, &info, &len));
	return info;
}

unsigned int tcp_sock_new_segments(int sock)
{
	struct tcp_info info = tcp_sock_info(sock);

	return info.tcpi_data_segs_out - info.tcpi_total_retrans;
}

static int queue_length(int sock, unsigned long what)
{
	int bytes = 0;

	PROBE_TRY(ioctl(sock, what, &bytes));
	return bytes;
}

int tcp_sock_unread(int sock)
{
	return queue_length(sock, SIOCINQ);
}

int tcp_sock_unacked(int sock)
{
	return queue_length(sock, SIOCOUTQ);
}

int tcp_sock_unsent(int sock)
{
	return queue_length(sock, SIOCOUTQNSD);
}

uint32_t tcp_sock_drops(int sock)
{
	uint32_t mem[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(mem);

	PROBE_TRY(getsockopt(sock, SOL_SOCKET, SO_MEMINFO, mem, &len));
	return mem[SK_MEMINFO_DROPS];
}

struct drops {
	int sock;
	uint32_t before;
};

static bool drops_grew(void *arg)
{
	const struct drops *drops = arg;

	return tcp_sock_drops(drops->sock) > drops->before;
}

bool tcp_sock_wait_drop(int sock, uint32_t before)
{
	struct drops drops = { sock, before };

	return probe_wait_until(drops_grew, &drops);
}

static bool all_acked(void *arg)
{
	return tcp_sock_unacked(*(int *)arg) == 0;
}

bool tcp_sock_wait_acked(int sock)
{
	return probe_wait_until(all_acked, &sock);
}

static bool all_sent(void *arg)
{
	return tcp_sock_unsent(*(int *)arg) == 0;
}

bool tcp_sock_wait_sent(int sock)
{
	return probe_wait_until(all_sent, &sock);
}

void tcp_sock_close_window(int sock, size_t sent)
{
	struct tcp_repair_window window;
	socklen_t len = sizeof(window);

	tcp_sock_repair(sock, TCP_REPAIR_ON);
	PROBE_TRY(getsockopt(sock, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, &len));
	window.snd_wnd = (uint32_t)sent;
	PROBE_TRY(setsockopt(sock, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, len));
	tcp_sock_repair(sock, TCP_REPAIR_OFF_NO_WP);
}

static void snmp_tcp_lines(char names[SNMP_LINE_MAX], char values[SNMP_LINE_MAX])
{
	FILE *file = fopen("/proc/thread-self/net/snmp", "re");
	bool found = false;

	if (!file)
		probe_bail("open /proc/thread-self/net/snmp: %s", strerror(errno));
	while (!found && fgets(names, SNMP_LINE_MAX, file))
		found = !strncmp(names, "Tcp: ", 5) && fgets(values, SNMP_LINE_MAX, file);
	fclose(file);
	if (!found)
		probe_bail("/proc/net/snmp has no Tcp line");
}

long tcp_sock_snmp(const char *name)
{
	char names[SNMP_LINE_MAX], values[SNMP_LINE_MAX];
	char *name_at, *value_at, *column, *value;

	snmp_tcp_lines(names, values);
	column = strtok_r(names, " \n", &name_at);
	value = strtok_r(values, " \n", &value_at);
	while (column && value) {
		if (!strcmp(column, name))
			return strtol(value, NULL, 10);
		column = strtok_r(NULL, " \n", &name_at);
		value = strtok_r(NULL, " \n", &value_at);
	}
	probe_bail("/proc/net/snmp has no Tcp column '%s'", name);
}

/* Return: the fourth column of a line of /proc/net/tcp, 0 if there is none */
static unsigned long state_in(char *line)
{
	char *at, *column = strtok_r(line, " ", &at);

	for (int i = 1; column && i < STATE_COLUMN; i++)
		column = strtok_r(NULL, " ", &at);
	return column ? strtoul(column, NULL, 16) : 0;
}

int tcp_sock_count_state(enum tcp_sock_state state)
{
	FILE *file = fopen("/proc/thread-self/net/tcp", "re");
	char line[256];
	int count = 0;

	if (!file)
		probe_bail("open /proc/thread-self/net/tcp: %s", strerror(errno));
	while (fgets(line, sizeof(line), file))
		count += state_in(line) == state;
	fclose(file);
	return count;
}

void tcp_sock_write(int sock, size_t len, uint64_t offset, unsigned int stream)
{
	unsigned char buf[16384];

	for (size_t done = 0; done < len;) {
		size_t piece = len - done < sizeof(buf) ? len - done : sizeof(buf);

		probe_fill(buf, piece, offset + done, stream);
		done += (size_t)PROBE_TRY(send(sock, buf, piece, 0));
	}
}

bool tcp_sock_read_right(int sock, size_t len, uint64_t offset, unsigned int stream)
{
	unsigned char buf[16384];

	for (size_t done = 0; done < len;) {
		size_t want = len - done < sizeof(buf) ? len - done : sizeof(buf);
		ssize_t got = recv(sock, buf, want, 0);

		if (got <= 0)
			return false;
		if (probe_first_wrong(buf, (size_t)got, offset + done, stream) >= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}
