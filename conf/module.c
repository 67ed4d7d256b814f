/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * module.c - a server that guests may have run for them: what its file says
 *
 * Runs in: hylicsd, hylics-keeper
 * Reads from: files of the operator (believed, but mistakes are told)
 */
#include "conf/module.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/name.h"
#include "common/own.h"
#include "conf/confs.h"
#include "conf/path.h"
#include "conf/words.h"

#define MEMORY_MIN (1 << 20)
#define MEMORY_DEFAULT (256u << 20)
#define TASKS_DEFAULT 64
#define TASKS_MAX 4096
#define DESCRIPTORS_DEFAULT 4096
#define DESCRIPTORS_MIN 16
#define DESCRIPTORS_MAX (1 << 20)
#define PORT_MAX 65535
#define PORT_DIGITS 5

static int check_folder(const char *text, char *why, size_t size)
{
	if (!text[0] || path_parts_plain(text))
		return 0;
	snprintf(why, size, "must be a path in the share without '.', '..', '//' and a slash at "
		 "its beginning or end");
	return -EINVAL;
}

/* Return: bytes of it, 0: it is none */
static size_t read_port(const char *text, uint16_t *port)
{
	size_t len = strspn(text, "0123456789");
	unsigned long n = len && len <= PORT_DIGITS ? strtoul(text, NULL, 10) : 0;

	*port = (uint16_t)n;
	return n && n <= PORT_MAX ? len : 0;
}

static bool read_range(const char *text, size_t len, struct modules_ports *p)
{
	uint16_t *first = &p->at[p->n].first, *last = &p->at[p->n].last;
	size_t n = read_port(text, first), more;

	if (n == len && n) {
		*last = *first;
	} else {
		if (!n || text[n] != '-')
			return false;
		more = read_port(text + n + 1, last);
		if (!more || n + 1 + more != len || *last <= *first)
			return false;
	}
	p->n++;
	return true;
}

static int read_ports(const char *text, void *place, char *why, size_t size)
{
	struct modules_ports p = { 0 };

	while (*(text += strspn(text, " \t"))) {
		size_t len = strcspn(text, " \t");

		if (p.n == HY_MODULE_PORTS_MAX) {
			snprintf(why, size, "more than %d ports and ranges", HY_MODULE_PORTS_MAX);
			return -EINVAL;
		}
		if (!read_range(text, len, &p)) {
			snprintf(why, size, "'%.*s' is no port of 1 to %d, nor a range as "
				 "8000-8999", (int)(len < 32 ? len : 32), text, PORT_MAX);
			return -EINVAL;
		}
		text += len;
	}
	if (!p.n) {
		snprintf(why, size, "says no port");
		return -EINVAL;
	}
	memcpy(place, &p, sizeof(p));
	return 0;
}

static void print_ports(const void *place, char *text, size_t size)
{
	modules_ports_print(place, text, size);
}

#define KEY(field) .offset = offsetof(struct module, field)
#define ROOM(field) .room = sizeof(((struct module *)NULL)->field)

static const struct ini_key keys[] = {
	{ .name = "command", .type = HY_OPT_STRING, KEY(command), ROOM(command), .arg = "WORDS",
	  .check = words_check, .required = true,
	  .help = "the program, an absolute path, and its words" },
	{ .name = "ports", KEY(ports), .arg = "PORT|FIRST-LAST...", .read = read_ports,
	  .print = print_ports, .required = true,
	  .help = "ports a guest may ask for; the first is the default" },
	{ .name = "folder", .type = HY_OPT_STRING, KEY(folder), ROOM(folder), .arg = "PATH",
	  .check = check_folder,
	  .help = "of the share, all that is seen of it (default: the whole share)" },
	{ .name = "file", .type = HY_OPT_LIST, KEY(file), ROOM(file[0]),
	  .items = MODULE_FILES_MAX, .n_offset = offsetof(struct module, n_files), .arg = "PATH",
	  .check = path_check,
	  .help = "of the host, seen read-only at the same place: configuration, certificates" },
	{ .name = "memory", .type = HY_OPT_SIZE, KEY(memory), .arg = "SIZE", .min = MEMORY_MIN,
	  .max = HY_SHARE_MAX, .help = "its own of each process, at most" },
	{ .name = "tasks", .type = HY_OPT_INT, KEY(tasks), .arg = "N", .min = 1, .max = TASKS_MAX,
	  .help = "processes and threads of the VM's modules, at most" },
	{ .name = "descriptors", .type = HY_OPT_INT, KEY(descriptors), .arg = "N",
	  .min = DESCRIPTORS_MIN, .max = DESCRIPTORS_MAX,
	  .help = "open files and connections of a process, at most" },
	{ 0 },
};

const struct ini_table module_table = {
	.section = "module",
	.keys = keys,
	.values_size = sizeof(struct module),
};

void module_defaults(struct module *m)
{
	*m = (struct module){
		.memory = MEMORY_DEFAULT,
		.tasks = TASKS_DEFAULT,
		.descriptors = DESCRIPTORS_DEFAULT,
	};
}

/* -- a folder of them -- */

static int read_one(const char *path, const char *name, struct module *m, struct hy_err *e)
{
	module_defaults(m);
	if (!hy_name_valid(name))
		return hy_err_usage(e, "name", "%s: a name is 1 to %d of a-z, 0-9 and '-', and "
				    "does not start with '-'", path, HY_NAME_MAX);
	memcpy(m->name, name, strlen(name));
	return confs_read(&module_table, path, m, e);
}

int module_read(const char *folder, const char *name, struct module *m, struct hy_err *e)
{
	char path[HY_PATH_MAX + 1];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s.conf", folder, name) >= sizeof(path))
		return hy_err_set(e, ENAMETOOLONG, "'%s/%s.conf'", folder, name);
	return read_one(path, name, m, e);
}

struct telling {
	const struct module_ops *ops;
	void *object;
};

static int tell_one(void *object, const char *path, const char *name, struct hy_err *e)
{
	const struct telling *t = object;
	hy_autofree struct module *m = malloc(sizeof(*m));
	struct hy_err why = { 0 };

	if (!m)
		return hy_err_set(e, ENOMEM, "%s", path);
	if (read_one(path, name, m, &why) == 0)
		t->ops->good(t->object, m);
	else
		t->ops->bad(t->object, name, &why);
	return 0;
}

int module_read_all(const char *folder, const struct module_ops *ops, void *object,
		    struct hy_err *e)
{
	struct telling t = { .ops = ops, .object = object };

	return confs_each(folder, tell_one, &t, e);
}
