/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach.h - one attempt to mount the share
 *
 * Runs in: hylics-agent (a child of the holder); may wait for the host
 * Reads from: /sys; the directory, which may be anything; a device the host has made
 */
#ifndef AGENT_ATTACH_H
#define AGENT_ATTACH_H

#include "common/err.h"

/**
 * attach_share() - Mount the file system with this tag, virtiofs or else 9p, nosuid and nodev
 * @dir:	Where: an empty directory, or nothing yet; no symbolic link
 * @tag:	The device's
 * @e:		Error
 *
 * Return: 1 it is mounted now; 0 something was mounted there already and stays; -ENODEV: there is
 * no device with this tag, or this kernel or process mounts no such file system at all (@e says
 * which); else -errno
 */
int attach_share(const char *dir, const char *tag, struct hy_err *e);

#endif
