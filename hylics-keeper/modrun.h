/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * modrun.h - one module of a VM: its program, and what is known of it
 *
 * Runs in: hylics-keeper
 * Reads from: what the module's program prints (hostile); the kernel's answers
 */
#ifndef HY_KEEPER_MODRUN_H
#define HY_KEEPER_MODRUN_H

#include "common/ev.h"
#include "common/log.h"
#include "conf/module.h"
#include "hylics-keeper/cell.h"
#include "hylics-keeper/modlife.h"
#include "hylics-keeper/usage.h"
#include "proto/modules.h"
#include "twin/port.h"

#define MODRUN_LOOK_MS 20		/* while nobody listens yet */
#define MODRUN_COUNT_MS 1000		/* while somebody does */

/* What all modules of a VM have in common; the owner's, and outlives them. */
struct modrun_ground {
	struct ev_loop *loop;
	const struct hy_log *log;
	const struct twin *twin;
	const struct twin_desk *desk;
	const char *vm, *share, *folder;	/* folder: of the files NAME.conf */
	uid_t uid;
	/* something of it changed that the guest is to hear; its port is free again */
	void (*changed)(void *object, unsigned int number);
	void (*freed)(void *object, uint16_t port);
	void *object;
};

/* What the guest is to hear of soon, if it is another. */
struct modrun_news {
	enum modules_life state;
	uint32_t connections;
	uint64_t cpu_us, memory;
};

struct modrun {
	const struct modrun_ground *ground;
	unsigned int number;		/* the owner's */
	struct module conf;		/* as it was read last; its name is "" if there is none */
	struct modlife life;
	uint16_t wanted;		/* port; 0: not wanted */
	uint16_t port;			/* that it has or is to have; 0 if stopped */
	struct cell cell;
	struct ev_child child;
	struct ev_timer timer;
	uint32_t connections;
	struct usage usage;		/* of the program that runs */
	struct modrun_news heard;	/* of it, so far */
	uint64_t spent_us;		/* CPU time of those before it, since it was wanted */
	char why[MODULES_WHY_MAX + 1];
	char line[MODULES_WHY_MAX + 1];	/* that is being printed */
	size_t line_len;
	char last[MODULES_WHY_MAX + 1];	/* that was printed */
	struct hy_log_rate rate;
};

/* A place for one; its conf is the caller's to fill. */
void modrun_open(struct modrun *r, const struct modrun_ground *g, unsigned int number);

/**
 * modrun_want() - Have it run at a port, or not
 * @r:		Module
 * @port:	Checked by the caller; 0: not at all
 *
 * One that runs at another port ends first.
 */
void modrun_want(struct modrun *r, uint16_t port);

/* Why it ended last, or is not started: for the guest, and the log. */
void modrun_say_why(struct modrun *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What the guest is told; number and of are the caller's to fill. */
void modrun_tell(const struct modrun *r, struct modules_state *s);

/* Its warden is to hold the twin's programs as they are now. */
void modrun_hold(const struct modrun *r);

/* End it at once, with a reset of what is open. */
void modrun_close(struct modrun *r);

#endif
