/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intake.h - the beginning of a direction: make frames a real wire could carry
 *
 * Runs in: hylics-wire
 * Reads from: the machine on the sending side (hostile): frame and offload fields
 */
#ifndef WIRE_INTAKE_H
#define WIRE_INTAKE_H

#include <stdint.h>

#include "lab/wire/link.h"
#include "lab/wire/path.h"

/**
 * intake_frame() - Cut and finish what came in, and hand it to the direction
 * @p:		Direction
 * @f:		As it came in; its bytes are changed
 * @now_ns:	Time
 *
 * What cannot be cut or finished is counted as refused and dropped.
 *
 * Return: a bit for each mark raised, as path_take() does
 */
uint64_t intake_frame(struct path *p, struct link_frame *f, uint64_t now_ns);

#endif
