/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vms_check.h - whether a VM may be as its record says, beside the others
 *
 * Runs in: hylicsd
 * Reads from: records that clients of the API wish for
 */
#ifndef HYLICSD_VMS_CHECK_H
#define HYLICSD_VMS_CHECK_H

#include "hylicsd/vms.h"

/* Bytes that are to be in swap, or may have to be. */
uint64_t vms_beyond_memory(const struct record *r);

/**
 * vms_check() - Look whether it may be so
 * @vms:	All of them
 * @r:		As it is to be; its uid is filled
 * @own:	The VM, if it is there already
 * @e:		Error, with the field that is wrong; EAGAIN: others give back memory for it
 */
int vms_check(struct vms *vms, const struct record *r, const struct vm *own, struct hy_err *e);

#endif
