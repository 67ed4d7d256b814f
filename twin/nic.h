/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nic.h - a NIC of the VM, as the operator writes it: EDGE,MAC[,ADDRESS...]
 *
 * Runs in: hylics-keeper, hylicsd
 * Reads from: command line, configuration, API clients
 */
#ifndef HY_TWIN_NIC_H
#define HY_TWIN_NIC_H

#include "twin/twin.h"

#define TWIN_NIC_TEXT_MAX 1024	/* an IPv6 address has up to 45 characters */

/**
 * twin_nic_parse() - Read "tap0,52:54:00:00:00:01,10.0.0.2,fd00::2"
 * @text:	As typed
 * @spec:	Filled on success; what the text does not say is 0
 * @e:		Error; its field is "--nic"
 *
 * Return: 0, -EINVAL
 */
int twin_nic_parse(const char *text, struct twin_nic_spec *spec, struct hy_err *e);

#endif
