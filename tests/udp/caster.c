/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * caster.c - a program of the guest that sends files as datagrams, one order after the other
 *
 * Runs in: tests/system/test_udp.py
 * Reads from: the test: lines on standard input; each is answered with a line of JSON
 *
 *	caster PEER PORT	connects a UDP socket; says its own port
 *	datagrams BYTES RATE
 *	send PATH OFFSET COUNT	hylics_sendfile(); OFFSET -1: from the file's position, which is 0
 *	two PATH COUNT		two threads, a half each
 *	nonblock 0|1
 *	hear			one datagram, as text
 *
 * SIGUSR1 interrupts what waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "include/hylics.h"

#define WORDS 4

static void on_signal(int signo)
{
	(void)signo;
}

static int connect_to(const char *address, const char *port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST };
	struct addrinfo *to;
	int sock = -1;

	if (getaddrinfo(address, port, &hints, &to) != 0)
		return -1;
	sock = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock >= 0 && connect(sock, to->ai_addr, to->ai_addrlen) < 0)
		sock = -1;
	freeaddrinfo(to);
	return sock;
}

static unsigned int own_port(int sock)
{
	struct sockaddr_in6 own;	/* an IPv4 one has its port at the same place */
	socklen_t len = sizeof(own);

	return getsockname(sock, (struct sockaddr *)&own, &len) < 0 ? 0 : ntohs(own.sin6_port);
}

static void say_result(int sock, long long n, long long at)
{
	int num = n < 0 ? errno : 0;
	struct hylics_status s = { 0 };

	hylics_status(sock, &s, sizeof(s));
	printf("{\"n\":%lld,\"errno\":%d,\"at\":%lld,\"why\":\"%s\"}\n", n, num, at, s.why);
}

static void send_part(int sock, const char *path, long long offset, size_t count)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t at = (off_t)offset;
	ssize_t n = hylics_sendfile(sock, fd, offset < 0 ? NULL : &at, count);

	say_result(sock, n, offset < 0 ? (long long)lseek(fd, 0, SEEK_CUR) : (long long)at);
	if (fd >= 0)
		close(fd);
}

struct half {
	int sock, fd;
	off_t at;
	size_t count;
	ssize_t n;
};

static void *send_half(void *object)
{
	struct half *h = object;

	h->n = hylics_sendfile(h->sock, h->fd, &h->at, h->count);
	return NULL;
}

static void send_halves(int sock, const char *path, size_t count)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct half one = { .sock = sock, .fd = fd, .count = count / 2 };
	struct half two = { .sock = sock, .fd = fd, .at = (off_t)(count / 2),
			    .count = count - count / 2 };
	pthread_t thread;

	if (pthread_create(&thread, NULL, send_half, &one) != 0)
		exit(1);
	send_half(&two);
	pthread_join(thread, NULL);
	say_result(sock, one.n + two.n, 0);
	close(fd);
}

static void hear(int sock)
{
	char text[64];
	ssize_t n = recv(sock, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	printf("{\"heard\":\"%s\"}\n", text);
}

static void obey(int sock, const char *const word[WORDS])
{
	if (strcmp(word[0], "datagrams") == 0)
		say_result(sock, hylics_datagrams(sock, (uint32_t)strtoul(word[1], NULL, 10),
						  strtoull(word[2], NULL, 10)), 0);
	else if (strcmp(word[0], "send") == 0)
		send_part(sock, word[1], strtoll(word[2], NULL, 10), strtoull(word[3], NULL, 10));
	else if (strcmp(word[0], "two") == 0)
		send_halves(sock, word[1], strtoull(word[2], NULL, 10));
	else if (strcmp(word[0], "nonblock") == 0)
		say_result(sock, fcntl(sock, F_SETFL, strtol(word[1], NULL, 10) ? O_NONBLOCK : 0),
			   0);
	else
		hear(sock);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	static char line[4096];
	int sock;

	sigaction(SIGUSR1, &action, NULL);
	sock = argc == 3 ? connect_to(argv[1], argv[2]) : -1;
	if (sock < 0)
		return 1;
	printf("{\"port\":%u}\n", own_port(sock));
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		const char *word[WORDS] = { "", "", "", "" };
		char *left = NULL, *next = line;

		for (unsigned int i = 0; i < WORDS; i++, next = NULL) {
			const char *found = strtok_r(next, " \n", &left);

			word[i] = found ? found : word[i];
		}
		obey(sock, word);
	}
	return 0;
}
