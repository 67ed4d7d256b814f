/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire.h - the event loop: two sides, two directions, one timer, signals and the control socket
 *
 * Runs in: hylics-wire
 * Reads from: the machines on both ends (hostile)
 */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"
#include "common/log.h"
#include "lab/wire/control.h"
#include "lab/wire/impair.h"
#include "lab/wire/link.h"
#include "lab/wire/path.h"
#include "lab/wire/pcap.h"
#include "lab/wire/rule.h"
#include "lab/wire/wire_limits.h"

/* What the command line said. */
struct wire_config {
	const char *name[WIRE_DIRECTIONS];	/* interfaces a and b */
	bool tap[WIRE_DIRECTIONS];
	uint64_t seed;
	uint32_t pool;
	struct impair impair[WIRE_DIRECTIONS];
	const char *control;			/* paths; NULL: not wanted */
	const char *pcap;
	const char *pcap_dropped;
	const char *stats;			/* NULL: standard output */
	int ready_fd;				/* closed afterwards, unless standard output */
};

struct wire {
	struct wire_config config;
	struct script script;
	struct path_common common;
	struct pcap passed, dropped;
	struct link side[WIRE_DIRECTIONS];
	struct path path[WIRE_DIRECTIONS];	/* [0] from side 0 to side 1 */
	struct link_batch batch;
	struct control control;
	struct hy_log log;
	struct hy_log_rate down_rate;
	int epoll_fd, timer_fd, signal_fd;
	uint64_t armed_ns;			/* 0: the timer is not set */
	bool stop;
	struct hy_err gone;			/* why it stopped, if it was not asked to */
};

/**
 * wire_open() - Take hold of everything the configuration names
 * @w:		config and script filled, the rest zero; wire_close() gives back, on failure too
 * @e:		Error
 */
int wire_open(struct wire *w, struct hy_err *e);

/**
 * wire_run() - Carry frames until a signal or `quit`
 * @w:	Open
 * @e:	Error
 *
 * Return: 0, or an error such as an interface that is gone
 */
int wire_run(struct wire *w, struct hy_err *e);

/* Return: 0, or an error if a record is not whole. */
int wire_close(struct wire *w, struct hy_err *e);

/* Takes what has come in on both sides, so that what follows stands behind it. */
void wire_drain(struct wire *w);

/* Raises a mark: rules open and close, held frames go. */
void wire_raise(struct wire *w, int mark);

/* Whether no frame is on its way. */
bool wire_empty(const struct wire *w);

/* Writes the statistics of this moment. */
void wire_report(struct wire *w, FILE *out);

#endif
