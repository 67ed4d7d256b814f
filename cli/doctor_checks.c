/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_checks.c - what hylics doctor looks at: a table, and a function for each row
 *
 * Runs in: hylics; in its tests over trees that stand for machines
 * Reads from: /proc, /sys, /etc, /dev (believed); hylicsd
 */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <mntent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/accel.h"
#include "cli/doctor.h"
#include "common/limits.h"
#include "common/own.h"
#include "common/virtiofsd.h"

#define PATH_ROOM (HY_PATH_MAX + 256)
#define RUN_LEAST (1u << 20)		/* bytes and files of RUN below which a VM cannot be made */
#define RUN_LEAST_FILES 64
#define RUN_LITTLE (16u << 20)

const char *const doctor_state_names[] = {
	[DOCTOR_OK] = "ok", [DOCTOR_WARNING] = "warning", [DOCTOR_BAD] = "bad",
	[DOCTOR_SKIPPED] = "skipped",
};

/* -- helpers of all -- */

void doctor_found(struct finding *f, enum doctor_state state, const char *format, ...)
{
	va_list ap;

	f->state = state;
	va_start(ap, format);
	vsnprintf(f->found, sizeof(f->found), format, ap);
	va_end(ap);
}

void doctor_mend(struct finding *f, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(f->mend, sizeof(f->mend), format, ap);
	va_end(ap);
}

static void path_of(const struct doctor *d, const char *path, char text[PATH_ROOM])
{
	snprintf(text, PATH_ROOM, "%s%s", d->root, path);
}

FILE *doctor_open(const struct doctor *d, const char *path)
{
	char text[PATH_ROOM];

	path_of(d, path, text);
	return fopen(text, "re");
}

bool doctor_line(const struct doctor *d, const char *path, char *line, size_t size)
{
	hy_autofile *f = doctor_open(d, path);

	return f && fgets(line, (int)size, f);
}

bool doctor_there(const struct doctor *d, const char *path)
{
	char text[PATH_ROOM];

	path_of(d, path, text);
	return access(text, F_OK) == 0;
}

/* Whether a line of a file has a word between blanks. */
static bool has_word(const struct doctor *d, const char *path, const char *word)
{
	hy_autofile *f = doctor_open(d, path);
	char is[128];

	while (f && fscanf(f, "%127s", is) == 1)
		if (strcmp(is, word) == 0)
			return true;
	return false;
}

/* A number of /proc/meminfo; 0 if it has no such key. */
static uint64_t meminfo(const struct doctor *d, const char *key)
{
	hy_autofile *f = doctor_open(d, "/proc/meminfo");
	char line[128];
	size_t len = strlen(key);

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, len) == 0 && line[len] == ':')
			return strtoull(line + len + 1, NULL, 10);
	return 0;
}

/* -- kernel -- */

static void look_kernel(const struct doctor *d, struct finding *f)
{
	unsigned long major = 0, minor = 0;
	char line[128] = "", *dot = line;

	if (doctor_line(d, "/proc/sys/kernel/osrelease", line, sizeof(line)))
		major = strtoul(line, &dot, 10);
	if (*dot == '.')
		minor = strtoul(dot + 1, NULL, 10);
	if (!major || *dot != '.') {
		doctor_found(f, DOCTOR_BAD, "/proc/sys/kernel/osrelease cannot be read");
		doctor_mend(f, "mount /proc");
		return;
	}
	if (major < 6 || (major == 6 && minor < 1)) {
		doctor_found(f, DOCTOR_WARNING, "Linux %lu.%lu", major, minor);
		doctor_mend(f, "Hylics is tried on Linux 6.1 and later: boot such a kernel");
		return;
	}
	doctor_found(f, DOCTOR_OK, "Linux %lu.%lu, which has %s", major, minor,
		     major > 6 || minor >= 6 ? "tcx links" : "no tcx links: clsact filters serve");
}

/* -- memory -- */

struct hierarchies {
	bool two, memory_two, memory_one;
};

static void look_at_mount(const struct doctor *d, const struct mntent *m, struct hierarchies *h)
{
	char path[PATH_ROOM];

	if (strcmp(m->mnt_type, "cgroup") == 0 && hasmntopt(m, "memory"))
		h->memory_one = true;
	if (strcmp(m->mnt_type, "cgroup2") != 0)
		return;
	h->two = true;
	snprintf(path, sizeof(path), "%s/cgroup.controllers", m->mnt_dir);
	h->memory_two |= has_word(d, path, "memory");
}

static void look_cgroup(const struct doctor *d, struct finding *f)
{
	hy_autofile *file = doctor_open(d, "/proc/mounts");
	struct hierarchies h = { 0 };
	const struct mntent *m;
	struct mntent room;
	char text[4096];

	while (file && (m = getmntent_r(file, &room, text, sizeof(text))) != NULL)
		look_at_mount(d, m, &h);
	if (h.memory_two || h.memory_one) {
		doctor_found(f, DOCTOR_OK, "version %d, with the memory controller",
			     h.memory_two ? 2 : 1);
		return;
	}
	doctor_found(f, DOCTOR_BAD, h.two ? "version 2 without the memory controller" :
		     "no hierarchy with the memory controller is mounted");
	doctor_mend(f, "no share can have a limit: boot with cgroup_enable=memory; in a container, "
		    "have the controller delegated to it");
}

static void look_swap(const struct doctor *d, struct finding *f)
{
	uint64_t total = meminfo(d, "SwapTotal"), left = meminfo(d, "SwapFree");

	if (total) {
		doctor_found(f, DOCTOR_OK, "%" PRIu64 "M, %" PRIu64 "M free", total >> 10,
			     left >> 10);
		return;
	}
	doctor_found(f, DOCTOR_WARNING, "none: all of a share stays in memory");
	doctor_mend(f, "to have shares of two tiers, add swap: mkswap and swapon of a partition "
		    "or a file");
}

/* Neighbours in the swap area are read along, whosever they are. */
static void look_readahead(const struct doctor *d, struct finding *f)
{
	char line[32] = "";
	unsigned long order;

	if (!meminfo(d, "SwapTotal")) {
		doctor_found(f, DOCTOR_SKIPPED, "no swap");
		return;
	}
	if (!doctor_line(d, "/proc/sys/vm/page-cluster", line, sizeof(line))) {
		doctor_found(f, DOCTOR_SKIPPED, "/proc/sys/vm/page-cluster cannot be read");
		return;
	}
	order = strtoul(line, NULL, 10);
	if (order == 0) {
		doctor_found(f, DOCTOR_OK, "none: a VM reads back what is its own");
		return;
	}
	doctor_found(f, DOCTOR_WARNING, "up to %lu pages (vm.page-cluster is %lu): a VM that "
		     "reads from swap reads pages of others along", 1UL << (order & 31), order);
	doctor_mend(f, "where several VMs have more than their memory, and swap is no turning "
		    "disk: sysctl -w vm.page-cluster=0, and a line in /etc/sysctl.d");
}

static void look_hugepages(const struct doctor *d, struct finding *f)
{
	uint64_t total = meminfo(d, "HugePages_Total"), left = meminfo(d, "HugePages_Free");

	if (total && !left) {
		doctor_found(f, DOCTOR_WARNING, "%" PRIu64 ", all in use", total);
		doctor_mend(f, "a VM whose memory is to lie in huge pages does not start: raise "
			    "vm.nr_hugepages");
	} else if (total) {
		doctor_found(f, DOCTOR_OK, "%" PRIu64 ", %" PRIu64 " free", total, left);
	} else {
		doctor_found(f, DOCTOR_OK, "none, and none are needed");
	}
}

static void look_tmpfs(const struct doctor *d, struct finding *f)
{
	if (has_word(d, "/proc/filesystems", "tmpfs")) {
		doctor_found(f, DOCTOR_OK, "the kernel has it");
		return;
	}
	doctor_found(f, DOCTOR_BAD, "the kernel has no tmpfs");
	doctor_mend(f, "no share can be made: boot a kernel with CONFIG_TMPFS");
}

static void look_run(const struct doctor *d, struct finding *f)
{
	const char *place = doctor_there(d, d->run_dir) ? d->run_dir : "/run";
	char path[PATH_ROOM];
	struct statvfs s;
	uint64_t bytes;

	path_of(d, place, path);
	if (statvfs(path, &s) < 0) {
		doctor_found(f, DOCTOR_BAD, "'%.200s': %s", path, strerrordesc_np(errno));
		doctor_mend(f, "make it, or start hylicsd with another --run-dir");
		return;
	}
	bytes = (uint64_t)s.f_bavail * s.f_frsize;
	doctor_found(f, DOCTOR_OK, "'%.200s': %" PRIu64 "M free", place, bytes >> 20);
	if (bytes >= RUN_LITTLE && (!s.f_files || s.f_favail >= RUN_LEAST_FILES))
		return;
	f->state = bytes < RUN_LEAST || (s.f_files && s.f_favail < RUN_LEAST_FILES) ?
		   DOCTOR_BAD : DOCTOR_WARNING;
	doctor_mend(f, "marks and sockets of VMs are made there: remove what fills it, or mount it "
		    "larger (mount -o remount,size=...)");
}

/* -- programs -- */

/* hylicsd knows which one it takes; else the one it would find. */
static char *find_virtiofsd(const struct doctor *d, struct hy_err *e)
{
	const char *told = json_string_value(json_object_get(d->host, "virtiofsd"));
	const char *places[8];
	char room[8][PATH_ROOM];
	unsigned int n = 0;

	if (told)
		return strdup(told);
	for (; n < 7 && virtiofsd_places[n]; n++) {
		path_of(d, virtiofsd_places[n], room[n]);
		places[n] = room[n];
	}
	places[n] = NULL;
	return virtiofsd_find(places, e);
}

static void look_virtiofsd(const struct doctor *d, struct finding *f)
{
	struct hy_err e = { 0 };
	hy_autofree char *path = find_virtiofsd(d, &e);
	char version[128];

	if (!path) {
		doctor_found(f, DOCTOR_BAD, "none");
		doctor_mend(f, "%s", e.text);
		return;
	}
	if (!doctor_there(d, path)) {
		doctor_found(f, DOCTOR_BAD, "'%.200s' is not there", path);
		doctor_mend(f, "install it again, or name another one (virtiofsd = PATH)");
		return;
	}
	doctor_version(d, path, version, sizeof(version));
	doctor_found(f, DOCTOR_OK, "%.150s %s", path, version);
}

static void look_qemu(const struct doctor *d, struct finding *f)
{
	static const char *const places[] = { "/usr/bin", "/usr/local/bin", "/usr/libexec", NULL };
	char path[PATH_ROOM], version[128];
	struct utsname u;

	if (uname(&u) < 0)
		u.machine[0] = '\0';
	for (int i = 0; places[i]; i++) {
		snprintf(path, sizeof(path), "%s/qemu-system-%s", places[i], u.machine);
		if (!doctor_there(d, path))
			snprintf(path, sizeof(path), "%s/qemu-kvm", places[i]);
		if (!doctor_there(d, path))
			continue;
		doctor_version(d, path, version, sizeof(version));
		doctor_found(f, DOCTOR_OK, "%.150s %s", path, version);
		return;
	}
	doctor_found(f, DOCTOR_WARNING, "no qemu-system-%.32s", u.machine);
	doctor_mend(f, "install QEMU (Debian: qemu-system-x86), unless VMs are started by another");
}

static void look_kvm(const struct doctor *d, struct finding *f)
{
	char cpuinfo[PATH_ROOM], device[PATH_ROOM];

	path_of(d, "/proc/cpuinfo", cpuinfo);
	path_of(d, "/dev/kvm", device);
	if (accel_kvm_usable(cpuinfo, device)) {
		doctor_found(f, DOCTOR_OK, "/dev/kvm can be used");
		return;
	}
	doctor_found(f, DOCTOR_WARNING, doctor_there(d, "/dev/kvm") ?
		     "/dev/kvm is there, but cannot be used" : "no /dev/kvm");
	doctor_mend(f, "VMs run ten times slower (TCG): switch on virtualization in the firmware, "
		    "or nesting where this is a VM; modprobe kvm_intel or kvm_amd; join the group "
		    "kvm");
}

static void look_vsock(const struct doctor *d, struct finding *f)
{
	bool there = doctor_there(d, "/dev/vhost-vsock");

	doctor_found(f, DOCTOR_OK, there ? "/dev/vhost-vsock" :
		     "no /dev/vhost-vsock: channels go over virtio-serial");
}

/* -- hylicsd -- */

static bool has_group(const struct doctor *d, const char *name)
{
	hy_autofile *file = doctor_open(d, "/etc/group");
	struct group g, *known = NULL;
	size_t len = strlen(name);
	char line[65536];		/* with the names of all members */

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return true;
	return d->live && getgrnam_r(name, &g, line, sizeof(line), &known) == 0 && known;
}

static void look_group(const struct doctor *d, struct finding *f)
{
	if (has_group(d, "hylics")) {
		doctor_found(f, DOCTOR_OK, "hylics");
		return;
	}
	doctor_found(f, DOCTOR_WARNING, "no group hylics: only root may use the API");
	doctor_mend(f, "groupadd --system hylics, and usermod -aG hylics USER for each operator");
}

static void look_unit(const struct doctor *d, struct finding *f)
{
	static const char *const running[] = {
		"/sys/fs/cgroup/system.slice/hylicsd.service",
		"/sys/fs/cgroup/systemd/system.slice/hylicsd.service", NULL,
	}, *const files[] = {
		"/etc/systemd/system/hylicsd.service", "/usr/lib/systemd/system/hylicsd.service",
		"/lib/systemd/system/hylicsd.service",
		"/usr/local/lib/systemd/system/hylicsd.service", NULL,
	};
	bool runs = false, known = false;

	for (int i = 0; running[i]; i++)
		runs |= doctor_there(d, running[i]);
	for (int i = 0; files[i]; i++)
		known |= doctor_there(d, files[i]);
	if (!doctor_there(d, "/run/systemd/system")) {
		doctor_found(f, DOCTOR_SKIPPED, "no systemd");
	} else if (runs) {
		doctor_found(f, DOCTOR_OK, "hylicsd.service runs");
	} else {
		doctor_found(f, DOCTOR_WARNING, known ? "hylicsd.service does not run" :
			     "hylicsd.service is not installed");
		doctor_mend(f, known ? "systemctl enable --now hylicsd.service" :
			    "install the package, or the units of packaging/systemd");
	}
}

static void look_hylicsd(const struct doctor *d, struct finding *f)
{
	const char *version = json_string_value(json_object_get(d->host, "version"));
	char why[HY_ERR_MESSAGE_MAX];

	if (d->host) {
		doctor_found(f, DOCTOR_OK, "answers, version %.40s", version ? version : "?");
		return;
	}
	hy_err_message(&d->no_host, why);
	doctor_found(f, DOCTOR_BAD, "%.300s", why);
	if (d->no_host.num == EACCES || d->no_host.num == EPERM)
		doctor_mend(f, "usermod -aG hylics USER, and log in again; or ask as root");
	else
		doctor_mend(f, "systemctl start hylicsd, or start hylicsd in a terminal to see why "
			    "it does not run; --run-dir if it has another run directory");
}

static void look_vms(const struct doctor *d, struct finding *f)
{
	const json_t *list = json_object_get(d->vms, "vms");
	size_t n = json_array_size(list), ill = 0;
	const char *name = "", *why = "";

	for (size_t i = 0; i < n; i++) {
		const json_t *vm = json_array_get(list, i), *w = json_object_get(vm, "why");

		if (!w || ill++)
			continue;
		name = json_string_value(json_object_get(vm, "name"));
		why = json_string_value(w);
	}
	if (!d->vms) {
		doctor_found(f, DOCTOR_SKIPPED, "hylicsd does not answer");
	} else if (!ill) {
		doctor_found(f, DOCTOR_OK, "%zu, and none complains", n);
	} else {
		doctor_found(f, DOCTOR_WARNING, "%zu of %zu complain; '%.63s': %.150s", ill, n,
			     name ? name : "", why ? why : "");
		doctor_mend(f, "hylics vm list shows which, hylics vm show NAME why");
	}
}

static void look_rights(const struct doctor *d, struct finding *f)
{
	(void)d;
	if (geteuid() == 0) {
		doctor_found(f, DOCTOR_OK, "root");
		return;
	}
	doctor_found(f, DOCTOR_WARNING, "uid %u: not all can be looked at",
		     (unsigned int)geteuid());
	doctor_mend(f, "ask again as root");
}

const struct doctor_check doctor_checks[] = {
	{ "rights", look_rights },
	{ "kernel", look_kernel },
	{ "bpf", doctor_bpf },
	{ "user-namespaces", doctor_namespaces },
	{ "tcp-repair", doctor_repair },
	{ "cgroup", look_cgroup },
	{ "tmpfs", look_tmpfs },
	{ "swap", look_swap },
	{ "swap-readahead", look_readahead },
	{ "hugepages", look_hugepages },
	{ "run-dir", look_run },
	{ "virtiofsd", look_virtiofsd },
	{ "qemu", look_qemu },
	{ "kvm", look_kvm },
	{ "vsock", look_vsock },
	{ "group", look_group },
	{ "unit", look_unit },
	{ "hylicsd", look_hylicsd },
	{ "vms", look_vms },
	{ NULL, NULL },
};
