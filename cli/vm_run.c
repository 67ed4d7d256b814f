/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_run.c - hylics vm run
 *
 * Runs in: hylics
 * Reads from: the operator's command line; hylicsd
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/quote.h"
#include "cli/run.h"
#include "cli/tap.h"
#include "cli/verbs.h"
#include "common/name.h"
#include "common/own.h"

const struct hy_opt vm_run_options[] = {
	GUEST_OPTIONS(offsetof(struct vm_run_values, guest)),
	{ .name = "bridge", .type = HY_OPT_STRING, .offset = offsetof(struct vm_run_values, bridge),
	  .arg = "IFNAME", .help = "bridge that interfaces join which are made for this VM" },
	ASK_RUN_DIR,
	{ .name = "json", .type = HY_OPT_FLAG, .offset = offsetof(struct ask_values, json),
	  .help = "print errors as JSON too" },
	{ .name = NULL },
};

const struct vm_run_values vm_run_defaults = { .guest = GUEST_DEFAULTS };

/* All that is open while the VM runs. */
struct vm_run {
	const char *name;
	struct guest_record record;
	struct qemu_spec spec;
	struct qemu_fds fds;
	struct qemu_args args;
	struct run_spec run;
};

/* -- what can be seen before anything is started -- */

static int check_file(const char *option, const char *path, struct hy_err *e)
{
	if (!path || access(path, R_OK) == 0)
		return 0;
	return hy_err_usage(e, option, "%s '%s': %s", option, path, strerror(errno));
}

static int check_boot(const struct vm_run_values *v, struct hy_err *e)
{
	const struct qemu_spec *s = &v->guest.spec;
	int rc = check_file("--kernel", s->kernel, e);

	if (!s->kernel && s->disks.n == 0)
		return hy_err_usage(e, "--disk", "what is it to boot? --disk FILE, or "
				    "--kernel FILE");
	if (rc == 0)
		rc = check_file("--initrd", s->initrd, e);
	for (unsigned int i = 0; rc == 0 && i < s->disks.n; i++)
		rc = check_file("--disk", s->disks.item[i], e);
	if (rc == 0 && v->bridge && !hy_ifname_valid(v->bridge, strlen(v->bridge)))
		rc = hy_err_usage(e, "--bridge", "--bridge '%.64s': is no interface's name",
				  v->bridge);
	return rc;
}

static const char *text_of(const json_t *vm, const char *key)
{
	const char *text = json_string_value(json_object_get(vm, key));

	return text ? text : "";
}

static int check_state(const char *name, const json_t *vm, struct hy_err *e)
{
	const char *state = text_of(vm, "state"), *virtiofs = text_of(vm, "virtiofs");

	if (json_is_true(json_object_get(vm, "guest")))
		return hy_err_set(e, EADDRINUSE, "vm '%s': runs already, its guest has the share",
				  name);
	if (*virtiofs && access(virtiofs, R_OK | W_OK) < 0)
		return hy_err_set(e, errno == ENOENT ? ENOTCONN : errno,
				  "vm '%s': is %s (%s); its share's socket '%s'", name, state,
				  text_of(vm, "why"), virtiofs);
	if (strcmp(state, "ready") != 0)
		fprintf(stderr, "hylics: vm '%s' is %s: %s\n", name, state, text_of(vm, "why"));
	return 0;
}

/*
 * The folder of the VM is locked as long as QEMU lives, which inherits the descriptor: no mark can
 * be left behind.
 */
static int lock(const char *name, const json_t *vm, struct hy_err *e)
{
	hy_autofree char *dir = strdup(text_of(vm, "share"));
	char *slash = dir ? strrchr(dir, '/') : NULL;
	hy_autofd fd = -1;

	if (!slash)
		return hy_err_set(e, EPROTO, "vm '%s': hylicsd names no folder of it", name);
	*slash = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return hy_err_set(e, errno, "vm '%s': want root; '%s'", name, dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return hy_err_set(e, errno == EWOULDBLOCK ? EADDRINUSE : errno,
				  "vm '%s': runs already", name);
	return hy_fd_steal(&fd);
}

/* -- what QEMU inherits -- */

static int open_taps(struct vm_run *r, const char *bridge, struct hy_err *e)
{
	for (unsigned int i = 0; i < r->spec.taps.n; i++) {
		const char *tap = r->spec.taps.item[i];
		char name[IFNAMSIZ];
		int fd;

		if (!hy_ifname_valid(tap, strcspn(tap, ",")))
			return hy_err_set(e, EPROTO, "hylicsd names a NIC '%.64s'", tap);
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(tap, ","), tap);
		fd = tap_open(name, bridge, e);
		if (fd < 0)
			return fd;
		r->fds.tap[r->run.n_taps++] = fd;
	}
	return 0;
}

static int open_pair(int *ours, int *qemus, struct hy_err *e)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return hy_err_set(e, errno, "socket pair");
	*ours = ends[0];
	*qemus = ends[1];
	return 0;
}

static int write_script(int fd, int argc, char **argv, struct hy_err *e)
{
	FILE *f = fdopen(dup(fd), "w");
	bool bad;

	if (!f)
		return hy_err_set(e, errno, "the guest's command");
	fputs("exec", f);
	for (int i = 0; i < argc; i++) {
		fputc(' ', f);
		quote_print(f, argv[i]);
	}
	fputc('\n', f);
	bad = ferror(f) != 0;
	if (fclose(f) != 0 || bad)
		return hy_err_set(e, EIO, "the guest's command");
	return 0;
}

static int open_order(struct vm_run *r, int argc, char **argv, struct hy_err *e)
{
	if (argc == 0)
		return 0;
	r->fds.script = memfd_create("hylics-run", MFD_CLOEXEC);
	if (r->fds.script < 0)
		return hy_err_set(e, errno, "the guest's command");
	if (write_script(r->fds.script, argc, argv, e) < 0)
		return -e->num;
	return open_pair(&r->run.result, &r->fds.result, e);
}

static int open_all(struct vm_run *r, const json_t *vm, const char *bridge, struct hy_err *e)
{
	int rc = r->run.lock = lock(r->name, vm, e);

	if (rc >= 0)
		rc = open_pair(&r->run.qmp, &r->fds.qmp, e);
	return rc < 0 ? rc : open_taps(r, bridge, e);
}

static void close_all(struct vm_run *r)
{
	int *fds[] = { &r->run.lock, &r->run.qmp, &r->run.result, &r->fds.qmp, &r->fds.script,
		       &r->fds.result };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		hy_fd_close(fds[i]);
	for (unsigned int i = 0; i < r->run.n_taps; i++)
		hy_fd_close(&r->fds.tap[i]);
	qemu_args_free(&r->args);
}

/* -- the verb -- */

static void tell(const struct vm_run *r, bool kvm)
{
	if (kvm)
		fprintf(stderr, "hylics: vm '%s' starts, on KVM\n", r->name);
	else
		fprintf(stderr, "hylics: vm '%s' starts, emulated (TCG), since KVM is not to be "
			"had or not wanted: ten times slower, or more\n", r->name);
}

static int start(struct vm_run *r, bool kvm, struct hy_err *e)
{
	if (qemu_args_build(&r->spec, kvm, &r->args, e) < 0)
		return hy_err_exit(e);
	tell(r, kvm);
	r->run.args = &r->args;
	r->run.fds = &r->fds;
	r->run.gently = r->spec.disks.n > 0;
	return run_vm(&r->run, e);
}

/* @argv has the guest's command behind the name. */
static int run(struct vm_run *r, const struct vm_run_values *v, const json_t *vm, int argc,
	       char **argv, struct hy_err *e)
{
	int rc = check_state(r->name, vm, e);

	if (rc == 0)
		rc = guest_take(vm, &r->record, &r->spec, e);
	if (rc == 0)
		rc = open_all(r, vm, v->bridge, e);
	if (rc >= 0)
		rc = open_order(r, argc - 1, argv + 1, e);
	return rc < 0 ? hy_err_exit(e) : start(r, guest_kvm(v->guest.accel), e);
}

int vm_run_run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct vm_run_values *v = values;
	struct vm_run r = {
		.name = argv[0], .spec = v->guest.spec,
		.fds = { .qmp = -1, .script = -1, .result = -1 },
		.run = { .lock = -1, .qmp = -1, .result = -1 },
	};
	json_t *vm = NULL;
	int code;

	r.spec.console = "stdio";
	r.spec.fds = &r.fds;
	if (check_boot(v, e) < 0 || ask_vm(&v->ask, "GET", argv[0], "", NULL, &vm, e) < 0)
		code = hy_err_exit(e);
	else
		code = run(&r, v, vm, argc, argv, e);
	close_all(&r);
	json_decref(vm);
	return code;
}
