/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * module.h - a server that guests may have run for them: what its file says
 *
 * Runs in: hylicsd, hylics-keeper
 * Reads from: files of the operator (believed, but mistakes are told)
 */
#ifndef HY_MODULE_H
#define HY_MODULE_H

#include <stdint.h>

#include "common/err.h"
#include "common/limits.h"
#include "conf/ini.h"
#include "proto/modules.h"

#define MODULE_FILES_MAX 8
#define MODULE_COMMAND_MAX 1024

struct module {
	char name[HY_NAME_MAX + 1];	/* of its file */
	char command[MODULE_COMMAND_MAX];	/* see words.h */
	struct modules_ports ports;
	char folder[HY_PATH_MAX + 1];	/* of the share, "": all of it */
	char file[MODULE_FILES_MAX][HY_PATH_MAX + 1];	/* of the host, read-only */
	unsigned int n_files;
	uint64_t memory;
	int64_t tasks, descriptors;
};

/* The keys, for the manual. */
extern const struct ini_table module_table;

/* What holds where a file says nothing. */
void module_defaults(struct module *m);

/**
 * module_read() - Read one
 * @folder:	Where NAME.conf is
 * @name:	Of the module
 * @m:		Filled on success
 * @e:		Error: names the file, and the line if one is at fault
 *
 * Return: 0, -ENOENT, -EINVAL, another -errno
 */
int module_read(const char *folder, const char *name, struct module *m, struct hy_err *e);

/* What is told of the modules of a folder. */
struct module_ops {
	void (*good)(void *object, const struct module *m);
	/* @name is that of the file, whatever it is */
	void (*bad)(void *object, const char *name, const struct hy_err *why);
};

/**
 * module_read_all() - Read the modules of a folder, NAME.conf in the order of names
 * @folder:	May be missing: then there are none
 * @ops:	What is told of each
 * @object:	For @ops
 * @e:		Error: nothing was told
 *
 * Return: 0, -errno
 */
int module_read_all(const char *folder, const struct module_ops *ops, void *object,
		    struct hy_err *e);

#endif
