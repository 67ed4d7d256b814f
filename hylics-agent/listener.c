/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener.c - who listens at a TCP port of the guest, at any of its addresses
 *
 * Runs in: hylics-agent
 * Reads from: the kernel (/proc/net/tcp, tcp6)
 */
#include "hylics-agent/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/own.h"

#define PIECE 4096
#define STATE_LISTEN 0x0a
#define WORD_DIGITS 8u			/* addresses are words in the machine's own order */
#define HEX "0123456789ABCDEFabcdef"

/* Columns of a row, up to the last that is looked at. */
enum { COLUMN_LOCAL = 1, COLUMN_STATE = 3, COLUMN_USER = 7, COLUMNS };

/* "0100007F:0050" */
static bool read_end(const char *word, struct listener *who)
{
	size_t digits = strspn(word, HEX);

	if (word[digits] != ':' || (digits != WORD_DIGITS && digits != 2 * sizeof(who->addr)))
		return false;
	for (size_t i = 0; i < digits / WORD_DIGITS; i++) {
		char text[WORD_DIGITS + 1] = "";
		uint32_t bytes;

		memcpy(text, word + i * WORD_DIGITS, WORD_DIGITS);
		bytes = (uint32_t)strtoul(text, NULL, 16);
		memcpy(who->addr + i * sizeof(bytes), &bytes, sizeof(bytes));
	}
	who->family = digits == WORD_DIGITS ? 4 : 6;
	who->port = (uint16_t)strtoul(word + digits + 1, NULL, 16);
	return true;
}

/* False for the line of headings, and for what is no row at all. */
static bool read_row(char *line, struct listener *who, unsigned long *state)
{
	const char *column[COLUMNS];
	char *rest = NULL;

	for (unsigned int i = 0; i < COLUMNS; i++) {
		column[i] = strtok_r(i ? NULL : line, " ", &rest);
		if (!column[i])
			return false;
	}
	*state = strtoul(column[COLUMN_STATE], NULL, 16);
	who->user = (uint32_t)strtoul(column[COLUMN_USER], NULL, 10);
	return read_end(column[COLUMN_LOCAL], who);
}

/* Those that listen come first: what the guest is connected to need not be read. */
static void take_line(struct listener_scan *s)
{
	struct listener who = { 0 };
	unsigned long state = 0;

	s->line[s->len] = '\0';
	s->len = 0;
	if (!read_row(s->line, &who, &state))
		return;
	s->found = state == STATE_LISTEN && who.port == s->port;
	s->over = s->found || state != STATE_LISTEN;
	if (s->found)
		s->who = who;
}

void listener_feed(struct listener_scan *s, const char *text, size_t len)
{
	for (size_t i = 0; i < len && !s->over; i++) {
		if (text[i] == '\n')
			take_line(s);
		else if (s->len < LISTENER_LINE_MAX - 1)
			s->line[s->len++] = text[i];
	}
}

/* -- the kernel's tables -- */

void listener_open(int tables[2])
{
	tables[0] = open("/proc/self/net/tcp", O_RDONLY | O_CLOEXEC);
	tables[1] = open("/proc/self/net/tcp6", O_RDONLY | O_CLOEXEC);
}

void listener_close(int tables[2])
{
	hy_fd_close(&tables[0]);
	hy_fd_close(&tables[1]);
}

/* syscalls: pread64 */
static void scan(int table, struct listener_scan *s)
{
	char text[PIECE];
	off_t at = 0;
	ssize_t n;

	while (!s->over && (n = pread(table, text, sizeof(text), at)) > 0) {
		listener_feed(s, text, (size_t)n);
		at += n;
	}
}

bool listener_find(const int tables[2], uint16_t port, struct listener *who)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct listener_scan s = { .port = port };

		if (tables[i] >= 0)
			scan(tables[i], &s);
		if (!s.found)
			continue;
		*who = s.who;
		return true;
	}
	return false;
}

void listener_text(const struct listener *who, char text[LISTENER_TEXT_MAX])
{
	char addr[INET6_ADDRSTRLEN] = "";

	inet_ntop(who->family == 4 ? AF_INET : AF_INET6, who->addr, addr, sizeof(addr));
	snprintf(text, LISTENER_TEXT_MAX, who->family == 4 ? "%s:%u" : "[%s]:%u", addr, who->port);
}
