/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * own.h - ownership: a resource is given back on every path, the success path steals it
 *
 * Runs in: every program
 * Reads from: no untrusted input
 *
 * The releasing functions keep errno, so a failing path may return it afterwards.
 */
#ifndef HY_OWN_H
#define HY_OWN_H

#include <stdio.h>

void hy_fd_close(int *fd);	/* closes unless negative, then sets -1 */
void hy_mem_free(void *p);	/* @p points at the pointer to free */
void hy_file_close(FILE **f);

/**
 * hy_fd_steal() - Take a descriptor out of its owner's hands
 * @fd:	Set to -1, so that the scope's end closes nothing
 *
 * Return: the descriptor
 */
int hy_fd_steal(int *fd);

/**
 * hy_ptr_steal() - The same for a pointer of any type
 * @p:	Points at the pointer, which is set to NULL
 *
 * Return: what it pointed at
 */
void *hy_ptr_steal(void *p);

#define hy_autofd __attribute__((cleanup(hy_fd_close))) int
#define hy_autofree __attribute__((cleanup(hy_mem_free)))
#define hy_autofile __attribute__((cleanup(hy_file_close))) FILE

#endif
