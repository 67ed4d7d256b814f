/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owner.h - who made something that may outlive him: process id and start time, as text
 *
 * Runs in: every program that leaves marks in the kernel
 * Reads from: names that may be anybody's; /proc
 *
 * "1234-567890" is written into the name of what a process makes. Whoever finds it later can tell
 * whether that very process lives: a number that was given out again has another start time.
 * Both sides must see the same /proc.
 */
#ifndef HY_OWNER_H
#define HY_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

#define HY_OWNER_TEXT_MAX 42		/* two numbers of 64 bits, a dash, a NUL */

struct hy_owner {
	uint64_t pid;
	uint64_t start_ticks;
};

/**
 * hy_owner_self() - Name this process
 * @text:	Filled with "PID-STARTTIME"
 * @e:		Error
 */
int hy_owner_self(char text[HY_OWNER_TEXT_MAX], struct hy_err *e);

/**
 * hy_owner_take() - Read an owner from a text
 * @text:	Where it begins; moved behind it on success
 * @o:		Set on success
 *
 * Return: false if the text does not begin with one
 */
bool hy_owner_take(const char **text, struct hy_owner *o);

/**
 * hy_owner_lives() - Whether that very process is there
 * @o:	From hy_owner_take()
 *
 * One that has ended and was not waited for is dead.
 */
bool hy_owner_lives(const struct hy_owner *o);

#endif
