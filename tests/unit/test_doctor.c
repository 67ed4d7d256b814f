/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_doctor.c - what the doctor says of machines that are a few files each
 *
 * Runs in: the unit tests
 * Reads from: trees that the test has written
 */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/doctor.h"

#define FILES 4
#define V2 "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"

/* A machine, and what the doctor says of it. */
struct machine {
	const char *check;
	struct { const char *path, *text; } file[FILES];
	enum doctor_state state;
	const char *found, *mend;	/* parts of it */
};

static const struct machine machines[] = {
	{ "kernel", { { "/proc/sys/kernel/osrelease", "6.12.0-1-amd64\n" } }, DOCTOR_OK,
	  "tcx", NULL },
	{ "kernel", { { "/proc/sys/kernel/osrelease", "6.1.0-49-amd64\n" } }, DOCTOR_OK,
	  "clsact", NULL },
	{ "kernel", { { "/proc/sys/kernel/osrelease", "7.0\n" } }, DOCTOR_OK, "tcx", NULL },
	{ "kernel", { { "/proc/sys/kernel/osrelease", "5.10.0\n" } }, DOCTOR_WARNING,
	  "5.10", "6.1" },
	{ "kernel", { { "/proc/sys/kernel/osrelease", "nonsense" } }, DOCTOR_BAD, "", "/proc" },
	{ "kernel", { { NULL, NULL } }, DOCTOR_BAD, "", "/proc" },
	{ "cgroup", { { "/proc/mounts", V2 },
		      { "/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n" } },
	  DOCTOR_OK, "version 2", NULL },
	{ "cgroup", { { "/proc/mounts", V2 },
		      { "/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory2\n" } },
	  DOCTOR_BAD, "without", "cgroup_enable" },
	{ "cgroup", { { "/proc/mounts", V2 "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n" },
		      { "/sys/fs/cgroup/cgroup.controllers", "\n" } },
	  DOCTOR_OK, "version 1", NULL },
	{ "cgroup", { { "/proc/mounts", "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n" } },
	  DOCTOR_BAD, "no hierarchy", "cgroup_enable" },
	{ "cgroup", { { NULL, NULL } }, DOCTOR_BAD, "", "cgroup_enable" },
	{ "swap", { { "/proc/meminfo", "SwapTotal: 2097152 kB\nSwapFree: 1048576 kB\n" } },
	  DOCTOR_OK, "2048M, 1024M free", NULL },
	{ "swap", { { "/proc/meminfo", "SwapTotal: 0 kB\nSwapFree: 0 kB\n" } }, DOCTOR_WARNING,
	  "none", "mkswap" },
	{ "swap-readahead", { { "/proc/meminfo", "SwapTotal: 1024 kB\n" },
			      { "/proc/sys/vm/page-cluster", "3\n" } }, DOCTOR_WARNING,
	  "up to 8 pages", "vm.page-cluster=0" },
	{ "swap-readahead", { { "/proc/meminfo", "SwapTotal: 1024 kB\n" },
			      { "/proc/sys/vm/page-cluster", "0\n" } }, DOCTOR_OK, "none", NULL },
	{ "swap-readahead", { { "/proc/meminfo", "SwapTotal: 1024 kB\n" } }, DOCTOR_SKIPPED,
	  "cannot be read", NULL },
	{ "swap-readahead", { { "/proc/meminfo", "SwapTotal: 0 kB\n" },
			      { "/proc/sys/vm/page-cluster", "3\n" } }, DOCTOR_SKIPPED, "no swap",
	  NULL },
	{ "hugepages", { { "/proc/meminfo", "HugePages_Total: 8\nHugePages_Free: 3\n" } },
	  DOCTOR_OK, "8, 3 free", NULL },
	{ "hugepages", { { "/proc/meminfo", "HugePages_Total: 8\nHugePages_Free: 0\n" } },
	  DOCTOR_WARNING, "in use", "nr_hugepages" },
	{ "hugepages", { { "/proc/meminfo", "HugePages_Total: 0\n" } }, DOCTOR_OK, "none", NULL },
	{ "tmpfs", { { "/proc/filesystems", "nodev\tsysfs\nnodev\ttmpfs\n" } }, DOCTOR_OK, "",
	  NULL },
	{ "tmpfs", { { "/proc/filesystems", "nodev\tdevtmpfs\n\text4\n" } }, DOCTOR_BAD, "no tmpfs",
	  "CONFIG_TMPFS" },
	{ "user-namespaces", { { "/proc/sys/user/max_user_namespaces", "100\n" } }, DOCTOR_OK,
	  "100", NULL },
	{ "user-namespaces", { { "/proc/sys/user/max_user_namespaces", "0\n" } }, DOCTOR_BAD,
	  "not allowed", "sysctl" },
	{ "user-namespaces", { { NULL, NULL } }, DOCTOR_BAD, "not allowed", "CONFIG_USER_NS" },
	{ "virtiofsd", { { "/usr/share/qemu/vhost-user/50.json",
			   "{\"type\":\"fs\",\"binary\":\"/usr/lib/qemu/virtiofsd\"}" },
			 { "/usr/lib/qemu/virtiofsd", "" } }, DOCTOR_OK,
	  "/usr/lib/qemu/virtiofsd", NULL },
	{ "virtiofsd", { { "/usr/share/qemu/vhost-user/50.json",
			   "{\"type\":\"fs\",\"binary\":\"/usr/lib/qemu/virtiofsd\"}" } },
	  DOCTOR_BAD, "not there", "install" },
	{ "virtiofsd", { { "/usr/share/qemu/vhost-user/50.json", "{\"type\":\"gpu\"}" } },
	  DOCTOR_BAD, "none", "install virtiofsd" },
	{ "qemu", { { "/usr/libexec/qemu-kvm", "" } }, DOCTOR_OK, "qemu-kvm", NULL },
	{ "qemu", { { NULL, NULL } }, DOCTOR_WARNING, "no qemu", "install" },
	{ "kvm", { { "/proc/cpuinfo", "flags\t\t: fpu vmx sse\n" }, { "/dev/kvm", "" } },
	  DOCTOR_OK, "can be used", NULL },
	{ "kvm", { { "/proc/cpuinfo", "flags\t\t: fpu sse\n" }, { "/dev/kvm", "" } },
	  DOCTOR_WARNING, "cannot be used", "firmware" },
	{ "kvm", { { "/proc/cpuinfo", "flags\t\t: fpu vmx\n" } }, DOCTOR_WARNING, "no /dev/kvm",
	  "modprobe" },
	{ "vsock", { { "/dev/vhost-vsock", "" } }, DOCTOR_OK, "/dev/vhost-vsock", NULL },
	{ "vsock", { { NULL, NULL } }, DOCTOR_OK, "virtio-serial", NULL },
	{ "group", { { "/etc/group", "root:x:0:\nhylics:x:990:ann\n" } }, DOCTOR_OK, "", NULL },
	{ "group", { { "/etc/group", "root:x:0:\nhylics2:x:990:\n" } }, DOCTOR_WARNING,
	  "only root", "groupadd" },
	{ "unit", { { NULL, NULL } }, DOCTOR_SKIPPED, "no systemd", NULL },
	{ "unit", { { "/run/systemd/system/x", "" } }, DOCTOR_WARNING, "not installed", "install" },
	{ "unit", { { "/run/systemd/system/x", "" },
		    { "/usr/lib/systemd/system/hylicsd.service", "" } }, DOCTOR_WARNING,
	  "does not run", "systemctl" },
	{ "unit", { { "/run/systemd/system/x", "" },
		    { "/sys/fs/cgroup/system.slice/hylicsd.service/cgroup.procs", "" } },
	  DOCTOR_OK, "runs", NULL },
	{ "run-dir", { { "/run/x", "" } }, DOCTOR_OK, "'/run'", NULL },
	{ "run-dir", { { "/run/hylics/x", "" } }, DOCTOR_OK, "'/run/hylics'", NULL },
	{ "run-dir", { { NULL, NULL } }, DOCTOR_BAD, "", "make it" },
	{ "bpf", { { NULL, NULL } }, DOCTOR_SKIPPED, "", NULL },
	{ "tcp-repair", { { NULL, NULL } }, DOCTOR_SKIPPED, "", NULL },
	{ "vms", { { NULL, NULL } }, DOCTOR_SKIPPED, "", NULL },
};

static void write_file(const char *root, const char *path, const char *text)
{
	char at[512];
	FILE *f;

	snprintf(at, sizeof(at), "%s%s", root, path);
	for (char *slash = strchr(at + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(at, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	f = fopen(at, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void look(const char *name, const struct doctor *d, struct finding *f)
{
	const struct doctor_check *c = doctor_checks;

	while (c->name && strcmp(c->name, name) != 0)
		c++;
	assert_non_null(c->look);
	*f = (struct finding){ 0 };
	c->look(d, f);
}

static void examine(const struct machine *m)
{
	char root[] = "doctor-XXXXXX";
	struct doctor d = { .root = root, .run_dir = "/run/hylics" };
	struct finding f;

	assert_non_null(mkdtemp(root));
	for (int i = 0; i < FILES && m->file[i].path; i++)
		write_file(root, m->file[i].path, m->file[i].text);
	look(m->check, &d, &f);
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	if (f.state != m->state || !strstr(f.found, m->found) ||
	    (m->mend ? !strstr(f.mend, m->mend) : f.mend[0] != '\0'))
		fail_msg("%s of machine %td: %s: %s -> %s", m->check, m - machines,
			 doctor_state_names[f.state], f.found, f.mend);
}

static void machines_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		examine(&machines[i]);
}

static void hylicsd_is_heard(void **state)
{
	json_t *host = json_pack("{s:s, s:s}", "version", "1.2", "virtiofsd", "/none");
	json_t *vms = json_pack("{s:[{s:s},{s:s, s:s}]}", "vms", "name", "a", "name", "b", "why",
				"no space");
	struct doctor d = { .root = "/nonexistent", .run_dir = "/run/hylics", .host = host,
			    .vms = vms };
	struct finding f;

	(void)state;
	look("hylicsd", &d, &f);
	assert_int_equal(f.state, DOCTOR_OK);
	look("virtiofsd", &d, &f);
	assert_int_equal(f.state, DOCTOR_BAD);
	assert_non_null(strstr(f.found, "/none"));
	look("vms", &d, &f);
	assert_int_equal(f.state, DOCTOR_WARNING);
	assert_non_null(strstr(f.found, "1 of 2 complain; 'b': no space"));
	json_decref(host);
	json_decref(vms);
	d.host = d.vms = NULL;
	hy_err_set(&d.no_host, ECONNREFUSED, "socket");
	look("hylicsd", &d, &f);
	assert_int_equal(f.state, DOCTOR_BAD);
	assert_non_null(strstr(f.mend, "systemctl start"));
	hy_err_set(&d.no_host, EACCES, "socket");
	look("hylicsd", &d, &f);
	assert_non_null(strstr(f.mend, "usermod"));
}

static void programs_say_their_version(void **state)
{
	struct doctor d = { .root = "", .live = true };
	char line[64];

	(void)state;
	doctor_version(&d, "/bin/cat", line, sizeof(line));
	assert_non_null(strstr(line, "cat"));
	assert_null(strchr(line, '\n'));
	doctor_version(&d, "/nonexistent", line, sizeof(line));
	assert_string_equal(line, "");
	d.live = false;
	doctor_version(&d, "/bin/cat", line, sizeof(line));
	assert_string_equal(line, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machines_are_told_apart),
		cmocka_unit_test(hylicsd_is_heard),
		cmocka_unit_test(programs_say_their_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
