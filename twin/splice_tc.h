/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_tc.h - the clsact hooks of an interface: its qdisc, and the BPF programs that hang there
 *
 * Runs in: hylicsd (root, in the host's network namespace)
 * Reads from: the kernel's answers
 *
 * Every call opens a netlink socket of its own in the caller's network namespace: they are rare.
 */
#ifndef HY_SPLICE_TC_H
#define HY_SPLICE_TC_H

#include "common/err.h"

#include <linux/pkt_sched.h>
#include <stdbool.h>
#include <stdint.h>

#define TC_NAME_MAX 256			/* of a BPF filter, as the kernel's, with the NUL */
#define TC_KIND_MAX 16
#define TC_HOOK_INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define TC_HOOK_EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

/* One filter as it hangs at a hook. */
struct tc_filter {
	unsigned int ifindex;
	uint32_t parent;		/* TC_HOOK_INGRESS, TC_HOOK_EGRESS */
	uint32_t info;			/* priority and protocol */
	uint32_t handle;
	uint32_t prog_id;		/* 0: no BPF program */
	char name[TC_NAME_MAX];		/* given by whoever attached it; "" if it has none */
};

/**
 * tc_qdisc_kind() - What sits where clsact would
 * @ifindex:	Of the interface
 * @kind:	Set on success: "clsact", "ingress", or "" for nothing
 * @e:		Error
 *
 * Return: 0, -errno
 */
int tc_qdisc_kind(unsigned int ifindex, char kind[TC_KIND_MAX], struct hy_err *e);

/**
 * tc_qdisc_add() - Make the clsact qdisc of an interface
 * @ifindex:	Of the interface
 * @made:	Set on success: false if there was one
 * @e:		Error
 *
 * Return: 0, -EBUSY if an "ingress" qdisc has its place, another -errno
 */
int tc_qdisc_add(unsigned int ifindex, bool *made, struct hy_err *e);

/**
 * tc_qdisc_del_empty() - Remove the clsact qdisc of an interface unless a filter is on it
 * @ifindex:	Of the interface
 * @e:		Error
 *
 * Return: 0 (also if filters kept it), -errno
 */
int tc_qdisc_del_empty(unsigned int ifindex, struct hy_err *e);

/**
 * tc_filter_add() - Hang a program at a hook, for all protocols, before those that are there
 * @ifindex:	Of the interface, which has a clsact qdisc
 * @parent:	TC_HOOK_INGRESS or TC_HOOK_EGRESS
 * @prog_fd:	The program, which tells by its result what becomes of the frame
 * @name:	Of the filter, shorter than TC_NAME_MAX
 * @e:		Error
 *
 * A kind of filter that cannot stand beside a program keeps its priority, ours comes next.
 *
 * Return: 0, -errno
 */
int tc_filter_add(unsigned int ifindex, uint32_t parent, int prog_fd, const char *name,
		  struct hy_err *e);

/* Told of each filter; returns a value below 0 to end the walk with it. */
typedef int (*tc_told)(void *object, const struct tc_filter *f);

/**
 * tc_filters() - Walk over the filters of a hook
 * @ifindex:	Of the interface
 * @parent:	TC_HOOK_INGRESS or TC_HOOK_EGRESS
 * @told:	Called for each, in their order
 * @object:	Passed to @told
 * @e:		Error
 *
 * Nothing is there without a qdisc. @told must not change what is walked over.
 *
 * Return: 0, what @told returned below 0, another -errno
 */
int tc_filters(unsigned int ifindex, uint32_t parent, tc_told told, void *object,
	       struct hy_err *e);

/**
 * tc_filter_del() - Take a filter away
 * @f:	From tc_filters()
 * @e:	Error
 *
 * Return: 0, -ENOENT, another -errno
 */
int tc_filter_del(const struct tc_filter *f, struct hy_err *e);

#endif
