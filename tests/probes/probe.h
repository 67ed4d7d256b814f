/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.h - what every probe needs: TAP lines, a time limit, a private network, a TCP pair
 *
 * Runs in: the probes, on the host and in a guest
 * Reads from: no untrusted input
 *
 * A probe proves one kernel behaviour by assertions on counts and bytes, never on times:
 *
 *	probe_begin(30);
 *	probe_private_net(0);
 *	...
 *	probe_check(got == sent, "all bytes arrive: %zu of %zu", got, sent);
 *	return probe_end("a return-0 filter keeps %zu bytes out", kept);
 *
 * A set-up step that fails is no verdict about the kernel: it ends the probe (PROBE_TRY).
 * Include this header before any other: it asks libc for the GNU names.
 */
#ifndef HY_PROBE_H
#define HY_PROBE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/netlink.h>
#include <netinet/in.h>

/* Ends the probe with the call's text and errno unless @call returns 0 or more; its value. */
#define PROBE_TRY(call) probe_try((call), #call, __FILE__, __LINE__)

/* One established connection; close what is not wanted, the listener stays open too. */
struct probe_pair {
	int listener;
	int client;			/* the end that connected */
	int server;			/* the end that was accepted */
	struct sockaddr_in addr;	/* of the listener, so of @server too */
};

/**
 * probe_begin() - First call of a probe: starts the clock
 * @limit_s:	Far more seconds than it takes on a quiet machine; after some times as many it ends
 *		as failed, whatever it waits for
 */
void probe_begin(unsigned int limit_s);

/**
 * probe_check() - One TAP line: "ok N - text" or "not ok N - text"
 * @holds:	The assertion
 * @fmt:	What is claimed, with the measured figures
 *
 * Return: @holds
 */
bool probe_check(bool holds, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * probe_skip() - One TAP line for a check that cannot be made here
 * @what:	The claim that stays unproved
 * @fmt:	What is missing
 */
void probe_skip(const char *what, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * probe_skip_all() - End the probe as skipped, exit code 0 as TAP wants it
 * @fmt:	What is missing
 *
 * Only before the first probe_check().
 */
_Noreturn void probe_skip_all(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * probe_note() - A line that is no verdict
 * @fmt:	Text without the leading "# "
 */
void probe_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * probe_bail() - End the probe at once as failed, because it could not be carried out
 * @fmt:	What was tried
 */
_Noreturn void probe_bail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * probe_try() - The function behind PROBE_TRY
 * @rc:		What the call returned
 * @call:	Its text
 * @file:	Where
 * @line:	Where
 *
 * Return: @rc, which is not negative
 */
long probe_try(long rc, const char *call, const char *file, int line);

/**
 * probe_end() - Print the plan, the kernel and the one line that says what was proved
 * @fmt:	The sentence, with the measured facts
 *
 * Return: main's exit code: 0, or 1 if a check failed or none was made
 */
int probe_end(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * probe_fork() - A child that dies with its parent and has the same time limit
 *
 * The child makes no checks; it answers by exit code or descriptor and leaves with _exit().
 *
 * Return: as fork(); a failure ends the probe
 */
pid_t probe_fork(void);

/**
 * probe_join() - Wait for a child
 * @pid:	From probe_fork()
 *
 * Return: its exit code, or 128 + the signal that ended it
 */
int probe_join(pid_t pid);

/**
 * probe_wait_until() - Wait for a state that the kernel announces to nobody
 * @holds:	Asked every millisecond
 * @arg:	Handed to @holds
 *
 * Return: true as soon as @holds does, false if it does not within 10 s
 */
bool probe_wait_until(bool (*holds)(void *arg), void *arg);

/**
 * probe_wait_count() - The same for a counter that has to reach a value
 * @count:	Reads it
 * @object:	Handed to @count
 * @what:	Which of its counters, handed to @count
 * @value:	As much, or more
 *
 * Return: as probe_wait_until()
 */
bool probe_wait_count(uint64_t (*count)(const void *object, unsigned int what), const void *object,
		      unsigned int what, uint64_t value);

/**
 * probe_fill() - Bytes that tell a lost, doubled, moved or altered byte
 * @buf:	Filled
 * @len:	Bytes
 * @offset:	Position of @buf[0] in the stream
 * @stream:	Streams with different numbers have different bytes
 */
void probe_fill(void *buf, size_t len, uint64_t offset, unsigned int stream);

/**
 * probe_first_wrong() - Compare with what probe_fill() would have written
 * @buf:	To be judged
 * @len:	Bytes
 * @offset:	As for probe_fill()
 * @stream:	As for probe_fill()
 *
 * Return: index of the first byte that differs, -1 if none does
 */
ssize_t probe_first_wrong(const void *buf, size_t len, uint64_t offset, unsigned int stream);

/**
 * probe_private_net() - Go into a new network namespace whose loopback is up
 * @lo_mtu:	MTU of the loopback, 0 leaves the kernel's 65536
 *
 * Skips the whole probe where that is not allowed.
 */
void probe_private_net(int lo_mtu);

/**
 * probe_netns_new() - Make another network namespace, loopback up, and stay where we are
 *
 * Return: descriptor of the namespace, for probe_netns_enter(); it lives as long as that is open
 */
int probe_netns_new(void);

/**
 * probe_netns_enter() - Move the calling thread into a network namespace
 * @netns:	From probe_netns_new() or probe_netns_here()
 */
void probe_netns_enter(int netns);

/**
 * probe_netns_here() - Descriptor of the namespace the calling thread is in
 *
 * Return: the descriptor, the caller's to close
 */
int probe_netns_here(void);

/**
 * probe_netlink() - Have a rtnetlink request carried out in the calling thread's namespace
 * @request:	With NLM_F_ACK
 *
 * Return: 0, or the kernel's -errno
 */
int probe_netlink(const struct nlmsghdr *request);

/**
 * probe_veth() - Join this network namespace to another one by a veth pair, both ends down
 * @here:	Name of the end in this namespace
 * @there:	Name of the end in the other one
 * @netns:	The other namespace
 *
 * Return: 0, or -errno (-EOPNOTSUPP: this kernel has no veth)
 */
int probe_veth(const char *here, const char *there, int netns);

/**
 * probe_if_up() - Give an interface of this namespace an address and set it up
 * @name:	Of the interface
 * @addr:	Dotted IPv4 address, NULL for none
 * @mask:	Dotted network mask
 */
void probe_if_up(const char *name, const char *addr, const char *mask);

/**
 * probe_tcp_pair() - An established IPv4 connection over this namespace's loopback
 * @pair:	Filled; all three descriptors are the caller's
 *
 * A recv() on either end gives up after 15 s, so that what never comes is a failed check.
 */
void probe_tcp_pair(struct probe_pair *pair);

#endif
