/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rights.h - the capabilities hylicsd keeps, for itself and for those it starts
 *
 * Runs in: hylicsd
 * Reads from: no untrusted input
 */
#ifndef HY_RIGHTS_H
#define HY_RIGHTS_H

#include <linux/capability.h>

#include "common/log.h"

/*
 * The whole list, and what each is for. No exec brings privileges, so what a keeper, a job
 * or a virtiofsd needs must be here too; a worker's are over its twin's user namespace alone, and
 * come with that. docs/host.md and the unit of systemd say the same.
 */
#define HY_RIGHTS(X)                                                                               \
	X(CAP_CHOWN, "restoring content with its owners")                                          \
	X(CAP_DAC_OVERRIDE, "writing files of any guest's user, by virtiofsd")                     \
	X(CAP_DAC_READ_SEARCH, "reading files of any guest's user")                                \
	X(CAP_FOWNER, "setting modes and times of such files")                                     \
	X(CAP_FSETID, "set-group-id bits that stay where a guest's user writes")                   \
	X(CAP_KILL, "ending processes of a VM's own user")                                         \
	X(CAP_MKNOD, "special files a guest makes, by virtiofsd")                                  \
	X(CAP_SETFCAP, "root in a twin's user namespace; restoring file capabilities")             \
	X(CAP_SETGID, "groups in that namespace; virtiofsd acts as the guest's user")              \
	X(CAP_SETUID, "users in that namespace; virtiofsd acts as the guest's user")               \
	X(CAP_SETPCAP, "dropping capabilities, by virtiofsd too, which else refuses to run")       \
	X(CAP_NET_ADMIN, "a twin's interfaces, and programs at the guest's")                       \
	X(CAP_BPF, "loading those programs")                                                       \
	X(CAP_PERFMON, "loading those programs where they compare pointers")                       \
	X(CAP_SYS_ADMIN, "mounts, namespaces, swap")                                               \
	X(CAP_SYS_RESOURCE, "raising limits on open files")

/**
 * rights_drop() - Keep what is listed, of what there is; drop the rest from all sets for good
 * @log:	Is told what is missing: hylicsd goes on, and what needs it fails in its turn
 * @e:		Error
 *
 * For a process with no_new_privs. Ambient capabilities, by which a hylicsd that is not root hands
 * its own on to those it starts, stay as far as they are listed.
 */
int rights_drop(const struct hy_log *log, struct hy_err *e);

#endif
