/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - hylicsd: makes what the VMs of this host are to have, and keeps it so
 *
 * Runs in: hylicsd (host, root)
 * Reads from: configuration and records (believed); clients of the API, by http.c
 *
 * DOC: How it ends
 *
 * SIGTERM, SIGINT	what no guest uses is saved and taken away; what is in use is left to the
 *			next hylicsd, with a line each. A second one does not wait.
 * SIGUSR1		everything is left: an upgrade
 * killed		likewise; the next start finds it all
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/daemon.h"
#include "common/notify.h"
#include "common/opt.h"
#include "common/own.h"
#include "common/unixsock.h"
#include "hylicsd/api.h"
#include "hylicsd/rights.h"
#include "version.h"

#define SOCKET_MODE 0660
#define BACKLOG 512
#define FILES_MAX 8192			/* a dozen for each VM, and the API's connections */
#define NO_GROUP ((gid_t)-1)
#define GROUP_ROOM 65536		/* for the names of all its members */

struct values {
	const char *config;
	const char *run_dir, *libexec_dir, *virtiofsd, *vms_dir, *modules_dir, *state_dir, *cgroup;
	const char *group, *budget, *log_level;
};

static const struct values defaults = { 0 };

#define TEXT(field) .type = HY_OPT_STRING, .offset = offsetof(struct values, field)

static const struct hy_opt options[] = {
	{ .name = "config", TEXT(config), .arg = "FILE",
	  .help = "configuration (default " CONFIG_PATH "); FILE.d/*.conf follow it" },
	{ .name = "run-dir", TEXT(run_dir), .arg = "DIR",
	  .help = "where sockets and shares are (default /run/hylics)" },
	{ .name = "vms-dir", TEXT(vms_dir), .arg = "DIR",
	  .help = "where the VMs' records are (default /etc/hylics/vms.d)" },
	{ .name = "modules-dir", TEXT(modules_dir), .arg = "DIR",
	  .help = "where the modules are (default /etc/hylics/modules.d)" },
	{ .name = "state-dir", TEXT(state_dir), .arg = "DIR",
	  .help = "what outlives a reboot (default /var/lib/hylics)" },
	{ .name = "libexec-dir", TEXT(libexec_dir), .arg = "DIR",
	  .help = "where hylics-keeper and hylics-worker are" },
	{ .name = "virtiofsd", TEXT(virtiofsd), .arg = "FILE",
	  .help = "the virtiofsd to start (default: the one QEMU's descriptions name)" },
	{ .name = "cgroup", TEXT(cgroup), .arg = "PATH",
	  .help = "where the VMs' cgroups are, below each hierarchy (default hylics)" },
	{ .name = "group", TEXT(group), .arg = "NAME",
	  .help = "its members may use the API (default hylics)" },
	{ .name = "budget", TEXT(budget), .arg = "SIZE|PERCENT",
	  .help = "memory all VMs together may have (default 50%)" },
	{ .name = "log-level", TEXT(log_level), .arg = "LEVEL",
	  .help = "error, warning, info or debug (default info)" },
	{ 0 },
};

static struct hylicsd {
	struct hy_daemon daemon;
	struct vms vms;
	struct http_server http;
	struct api api;
} d;		/* large, and there is one per process */

/* -- configuration -- */

static int configure(struct config *c, const struct values *v, struct hy_err *e)
{
	const struct { const char *key, *text; } given[] = {
		{ "run-dir", v->run_dir }, { "vms-dir", v->vms_dir },
		{ "modules-dir", v->modules_dir }, { "state-dir", v->state_dir },
		{ "libexec-dir", v->libexec_dir }, { "virtiofsd", v->virtiofsd },
		{ "cgroup", v->cgroup }, { "group", v->group }, { "budget", v->budget },
		{ "log-level", v->log_level },
	};
	int rc;

	config_defaults(c);
	rc = config_load(v->config ? v->config : CONFIG_PATH, v->config != NULL, c, e);
	for (size_t i = 0; rc == 0 && i < sizeof(given) / sizeof(given[0]); i++)
		rc = config_set(c, given[i].key, given[i].text, e);
	return rc < 0 ? rc : config_check(c, e);
}

static int make_dir(const char *path, mode_t mode, struct hy_err *e)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return hy_err_set(e, errno, "'%s'", path);
	return 0;
}

static bool find_group(const char *name, gid_t *gid)
{
	char room[GROUP_ROOM];
	struct group g, *found = NULL;

	if (!*name || getgrnam_r(name, &g, room, sizeof(room), &found) != 0 || !found)
		return false;
	*gid = g.gr_gid;
	return true;
}

/* A machine without the group: root alone. */
static gid_t group_of(const struct hylicsd *h)
{
	const char *name = h->vms.host.config.group;
	gid_t gid;

	if (find_group(name, &gid))
		return gid;
	hy_log(&h->daemon.log, HY_LOG_INFO,
	       "no group '%s': only root may use the API (groupadd --system %s)", name, name);
	return NO_GROUP;
}

/* -- the API -- */

static int open_socket(const struct config *c, gid_t group, struct hy_err *e)
{
	char path[VM_PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/api.sock", c->run_dir);
	fd = hy_unix_listen(path, SOCK_STREAM, SOCKET_MODE, BACKLOG, e);
	if (fd == -EADDRINUSE)
		return hy_err_set(e, EADDRINUSE, "'%s': another hylicsd serves it", path);
	if (fd >= 0 && group != NO_GROUP && chown(path, (uid_t)-1, group) < 0) {
		hy_err_set(e, errno, "'%s': give it to the group", path);
		close(fd);
		return -e->num;
	}
	return fd;
}

/* @listener is taken over, -1 if nobody handed one over. */
static int open_api(struct hylicsd *h, int listener, struct hy_err *e)
{
	struct http_config c = { .routes = api_routes, .object = &h->api,
				 .log = &h->daemon.log, .group = group_of(h) };
	int rc;

	if (listener < 0)
		listener = open_socket(&h->vms.host.config, c.group, e);
	if (listener < 0)
		return listener;
	h->api = (struct api){ .vms = &h->vms, .http = &h->http };
	rc = http_open(&h->http, &h->daemon.loop, listener, &c, e);
	if (rc < 0)
		close(listener);
	return rc;
}

/* Who else may come to the sockets of shares. */
static void find_qemu_group(struct hylicsd *h)
{
	const char *name = h->vms.host.config.qemu_group;

	if (*name && !find_group(name, &h->vms.host.qemu_group))
		hy_log(&h->daemon.log, HY_LOG_WARN, "qemu-group: no group '%s': only QEMUs of "
		       "root get their shares", name);
}

static void vm_changed(void *object, struct vm *vm)
{
	struct hylicsd *h = object;

	hy_log(&h->daemon.log, HY_LOG_INFO, "vm '%s' is %s", vm->rec.name,
	       life_state_name(vm->life.state));
	if (vm->life.why.num)
		hy_log_err(&h->daemon.log, HY_LOG_WARN, &vm->life.why);
	api_vm_changed(&h->api, vm);
}

static void vm_decided(void *object, struct vm *vm)
{
	struct hylicsd *h = object;

	api_vm_decided(&h->api, vm);
}

/* -- the end -- */

static void all_gone(void *object)
{
	struct hylicsd *h = object;

	ev_stop(&h->daemon.loop, HY_EXIT_OK);
}

static void on_stop(void *object)
{
	struct hylicsd *h = object;

	hy_notify(HY_NOTIFY_STOPPING, NULL);
	vms_stop(&h->vms);
}

static void on_leave(void *object)
{
	all_gone(object);
}

/* -- the whole -- */

static int serve(struct hylicsd *h, int listener, struct hy_err *e)
{
	int rc;

	find_qemu_group(h);
	h->vms.host.loop = &h->daemon.loop;
	h->vms.host.log = &h->daemon.log;
	h->vms.host.changed = vm_changed;
	h->vms.host.decided = vm_decided;
	h->vms.host.object = h;
	h->vms.all_gone = all_gone;
	h->vms.object = h;
	rc = make_dir(h->vms.host.config.run_dir, 0755, e);
	if (rc == 0)
		rc = open_api(h, listener, e);
	if (rc < 0)
		return rc;
	rc = vms_open(&h->vms, e);
	if (rc == 0) {
		hy_notify(HY_NOTIFY_READY, NULL);
		rc = ev_run(&h->daemon.loop, e);
	}
	vms_close(&h->vms);
	http_close(&h->http);
	return rc;
}

static int run(const void *values, int argc, char **argv, struct hy_err *e)
{
	struct hy_log log = { .program = "hylicsd", .level = HY_LOG_INFO };
	struct hy_err none = { 0 };
	int listener = hy_notify_listener(e), rc;

	(void)argc;
	(void)argv;
	if (listener < 0 && listener != -ENOENT)
		return hy_err_exit(e);
	rc = configure(&d.vms.host.config, values, e);
	if (rc < 0)
		return hy_err_exit(e);
	log.level = (enum hy_log_level)d.vms.host.config.log_level;
	d.daemon.on_stop = on_stop;
	d.daemon.on_leave = on_leave;
	d.daemon.object = &d;
	if (hy_daemon_open(&d.daemon, &log, FILES_MAX, listener, e) < 0)
		return hy_err_exit(e);
	hy_daemon_files(&d.daemon.log, FILES_MAX);
	*e = none;
	rc = rights_drop(&d.daemon.log, e);
	if (rc == 0)
		rc = serve(&d, listener < 0 ? -1 : listener, e);
	ev_close(&d.daemon.loop);
	return rc < 0 ? hy_err_exit(e) : rc;
}

static const struct hy_cmd command = {
	.name = "hylicsd",
	.summary = "keeps what the VMs of this host are to have: shares, limits, twins",
	.options = options,
	.values_size = sizeof(struct values),
	.defaults = &defaults,
	.run = run,
};

int main(int argc, char **argv)
{
	return hy_opt_main(&command, argc, argv);
}
