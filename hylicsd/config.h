/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.h - the configuration: defaults, a file, its drop-ins, the command line; the later wins
 *
 * Runs in: hylicsd
 * Reads from: files of the operator (believed)
 */
#ifndef HY_CONFIG_H
#define HY_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/limits.h"
#include "hylicsd/budget.h"
#include "conf/ini.h"
#include "hylicsd/uids.h"

#define CONFIG_PATH "/etc/hylics/hylicsd.conf"

/* A socket's path has 107 bytes; RUN/api.sock must be one, with or without a VM's name. */
#define CONFIG_RUN_DIR_MAX 96
#define CONFIG_NAME_MAX 64

struct config {
	char run_dir[CONFIG_RUN_DIR_MAX];
	char state_dir[HY_PATH_MAX + 1];
	char vms_dir[HY_PATH_MAX + 1];
	char modules_dir[HY_PATH_MAX + 1];
	char libexec_dir[HY_PATH_MAX + 1];	/* hylics-keeper and hylics-worker are there */
	char virtiofsd[HY_PATH_MAX + 1];	/* "": see virtiofsd_find() */
	char group[CONFIG_NAME_MAX];		/* who may use the API */
	char qemu_group[CONFIG_NAME_MAX];	/* who may use shares' sockets; "": root alone */
	char cgroup[HY_PATH_MAX + 1];		/* below the root of each hierarchy */
	struct uid_range uids;
	struct budget_rule budget;
	char swap_file[HY_PATH_MAX + 1];	/* "": none of ours */
	uint64_t swap_size;
	int log_level;				/* enum hy_log_level */
};

/* The keys, for the manual. */
extern const struct ini_table config_table;

/**
 * config_defaults() - What holds where nothing else is said
 * @c:	Filled
 */
void config_defaults(struct config *c);

/**
 * config_load() - Lay a file and its drop-ins, FILE.d/NAME.conf in the order of names, over @c
 * @path:	The file
 * @wanted:	It must be there: the operator named it
 * @c:		From config_defaults(); untouched on failure
 * @e:		Error: names file, line and key
 *
 * Drop-ins may be there without the file.
 *
 * Return: 0, -ENOENT, -EINVAL, or -errno
 */
int config_load(const char *path, bool wanted, struct config *c, struct hy_err *e);

/**
 * config_set() - Lay one value over, as from the command line
 * @c:		Configuration; untouched on failure
 * @key:	As in the file
 * @text:	Value; NULL: not given, nothing is changed
 * @e:		Error: its field is the key
 *
 * Return: 0, -EINVAL
 */
int config_set(struct config *c, const char *key, const char *text, struct hy_err *e);

/**
 * config_check() - Whether all of it goes together, after the last config_set()
 * @c:	Configuration
 * @e:	Error: its field is the key at fault
 *
 * Return: 0, -EINVAL
 */
int config_check(const struct config *c, struct hy_err *e);

#endif
