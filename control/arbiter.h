/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arbiter.h - a host's memory divided among VMs that want more than there is
 *
 * Runs in: hylicsd, lab
 * Reads from: no untrusted input: what a VM wants is its controller's number
 *
 * Pure. Everybody gets his floor, then what is left goes up evenly, by weight, until a VM has what
 * it wants: nobody can get more without somebody of less getting less. A guest that wants
 * everything takes nothing from others' floors, nor from what their weight gives them.
 */
#ifndef HY_ARBITER_H
#define HY_ARBITER_H

#include <stdint.h>

struct claim {
	uint64_t floor, want;		/* bytes; a want below the floor is the floor */
	uint32_t weight;		/* 0 counts as 1 */
	uint64_t given;			/* set */
};

/**
 * arbiter_divide() - Say what each gets
 * @at:		Claims
 * @n:		How many, at most 2^20
 * @budget:	Bytes for all of them
 *
 * Where the floors are more than there is, each gets the same part of his.
 *
 * Return: bytes given, never more than @budget
 */
uint64_t arbiter_divide(struct claim *at, unsigned int n, uint64_t budget);

#endif
