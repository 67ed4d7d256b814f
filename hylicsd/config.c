/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.c - the configuration: defaults, a file, its drop-ins, the command line; the later wins
 *
 * Runs in: hylicsd
 * Reads from: files of the operator (believed)
 */
#include "hylicsd/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/own.h"
#include "conf/confs.h"
#include "conf/path.h"

#define DROP_INS ".d"
#define SWAP_MIN (1 << 20)
#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static int check_name(const char *text, char *why, size_t size)
{
	if (text[strspn(text, NAME_LETTERS)] == '\0' && text[0] != '-')
		return 0;
	snprintf(why, size, "must be of letters, digits, '.', '_' and '-'");
	return -EINVAL;
}

static int check_cgroup(const char *text, char *why, size_t size)
{
	if (text[strspn(text, NAME_LETTERS "/@:")] == '\0' && path_parts_plain(text))
		return 0;
	snprintf(why, size, "must be a path below the root of cgroups, such as 'hylics'");
	return -EINVAL;
}

#define KEY(field) .offset = offsetof(struct config, field)
#define ROOM(field) .room = sizeof(((struct config *)NULL)->field)
#define TEXT(field) .type = HY_OPT_STRING, KEY(field), ROOM(field)
#define PATH(field) TEXT(field), .check = path_check

static const struct ini_key keys[] = {
	{ .name = "run-dir", PATH(run_dir), .arg = "DIR",
	  .help = "the API's socket, and what VMs have while hylicsd runs" },
	{ .name = "state-dir", PATH(state_dir), .arg = "DIR",
	  .help = "what must outlive a reboot" },
	{ .name = "vms-dir", PATH(vms_dir), .arg = "DIR",
	  .help = "records of VMs" },
	{ .name = "modules-dir", PATH(modules_dir), .arg = "DIR",
	  .help = "servers that guests may have run for them" },
	{ .name = "libexec-dir", PATH(libexec_dir), .arg = "DIR",
	  .help = "where hylics-keeper and hylics-worker are" },
	{ .name = "virtiofsd", PATH(virtiofsd), .arg = "PATH",
	  .help = "the program that gives a share to its guest" },
	{ .name = "group", TEXT(group), .arg = "NAME", .check = check_name,
	  .help = "group whose members may use the API" },
	{ .name = "qemu-group", TEXT(qemu_group), .arg = "NAME", .check = check_name,
	  .help = "group of QEMUs that do not run as root" },
	{ .name = "cgroup", TEXT(cgroup), .arg = "NAME", .check = check_cgroup,
	  .help = "cgroup in which each VM gets its own" },
	{ .name = "uids", KEY(uids), .arg = "FIRST-LAST", .read = uids_read_range,
	  .print = uids_print_range, .help = "users for VMs, one each" },
	{ .name = "budget", KEY(budget), .arg = "SIZE|PERCENT", .read = budget_read_rule,
	  .print = budget_print_rule,
	  .help = "memory for all shares, a size or a part of the machine's" },
	{ .name = "swap-file", PATH(swap_file), .arg = "PATH",
	  .help = "a file made for swap, for shares larger than their memory" },
	{ .name = "swap-size", .type = HY_OPT_SIZE, KEY(swap_size), .min = SWAP_MIN,
	  .max = HY_SHARE_MAX, .arg = "SIZE", .help = "its size" },
	{ .name = "log-level", .type = HY_OPT_CHOICE, KEY(log_level), .choices = hy_log_words,
	  .arg = "LEVEL", .help = "error, warning, info or debug" },
	{ 0 },
};

const struct ini_table config_table = {
	.section = "hylicsd",
	.keys = keys,
	.values_size = sizeof(struct config),
};

void config_defaults(struct config *c)
{
	*c = (struct config){
		.run_dir = "/run/hylics",
		.state_dir = "/var/lib/hylics",
		.vms_dir = "/etc/hylics/vms.d",
		.modules_dir = "/etc/hylics/modules.d",
		.libexec_dir = HY_LIBEXECDIR,
		.group = "hylics",
		.cgroup = "hylics",
		/* above the users of containers, which end here, and below 2^31 */
		.uids = { 1879048192, 1879048192 + HY_UIDS_MAX - 1 },
		.budget = { .percent = 50 },
		.log_level = HY_LOG_INFO,
	};
}

static int load_drop_in(void *object, const char *path, const char *name, struct hy_err *e)
{
	(void)name;
	return confs_read(&config_table, path, object, e);
}

int config_load(const char *path, bool wanted, struct config *c, struct hy_err *e)
{
	hy_autofree char *folder = NULL;
	struct config got = *c;
	int rc;

	if (wanted || access(path, F_OK) == 0 || errno != ENOENT) {
		rc = confs_read(&config_table, path, &got, e);
		if (rc < 0)
			return rc;
	}
	if (asprintf(&folder, "%s" DROP_INS, path) < 0) {
		folder = NULL;
		return hy_err_set(e, ENOMEM, "%s", path);
	}
	rc = confs_each(folder, load_drop_in, &got, e);
	if (rc == 0)
		*c = got;
	return rc;
}

int config_set(struct config *c, const char *key, const char *text, struct hy_err *e)
{
	return text ? ini_set(&config_table, key, text, c, e) : 0;
}

int config_check(const struct config *c, struct hy_err *e)
{
	int rc = ini_check(&config_table, c, e);

	if (rc < 0)
		return rc;
	if (c->swap_file[0] && !c->swap_size)
		return hy_err_usage(e, "swap-size", "swap-file needs swap-size");
	if (c->swap_size && !c->swap_file[0])
		return hy_err_usage(e, "swap-file", "swap-size needs swap-file");
	if (path_inside(c->state_dir, c->run_dir) || path_inside(c->vms_dir, c->run_dir))
		return hy_err_usage(e, "run-dir", "run-dir '%.64s': is lost at a reboot, and so "
				    "must not have state-dir or vms-dir in it", c->run_dir);
	return 0;
}
