/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_qemu.c - QEMU command lines: whole ones word by word, escaping, and what is refused
 *
 * Runs in: the unit tests
 * Reads from: no untrusted input
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/accel.h"
#include "cli/qemu_args.h"

#define LINE_MAX_BYTES 8192
#define MEGABYTE (UINT64_C(1) << 20)

/* What every VM of these tests has, word by word. */
#define MACHINE(accel, cpu, vcpus) \
	"qemu-system-x86_64|-name|guest=web1,debug-threads=on|-nodefaults|-no-user-config|" \
	"-no-reboot|-display|none|-accel|" accel "|-cpu|" cpu "|-machine|" \
	"q35,memory-backend=mem0|-m|256M|-object|" \
	"memory-backend-memfd,id=mem0,size=256M,share=on|-smp|" vcpus
#define TCG_MACHINE MACHINE("tcg,thread=multi", "max,-erms,-smap,-smep", "1")

static struct qemu_spec plain_spec(void)
{
	return (struct qemu_spec){ .name = "web1", .memory_bytes = 256 * MEGABYTE, .vcpus = 1 };
}

static void join(const struct qemu_args *args, char *line)
{
	size_t used = 0;

	line[0] = '\0';
	for (unsigned int i = 0; i < args->n; i++)
		used += (size_t)snprintf(line + used, LINE_MAX_BYTES - used, "%s%s", i ? "|" : "",
					 args->argv[i]);
}

static void assert_line(const struct qemu_spec *spec, bool kvm, const char *wanted)
{
	struct qemu_args args = { 0 };
	struct hy_err e = { 0 };
	char line[LINE_MAX_BYTES];

	if (qemu_args_build(spec, kvm, &args, &e) != 0)
		fail_msg("refused: %s", e.text);
	join(&args, line);
	assert_string_equal(line, wanted);
	assert_null(args.argv[args.n]);
	qemu_args_free(&args);
	assert_int_equal(args.n, 0);
}

/* Checks only what stands behind the machine itself. */
static void assert_devices(const struct qemu_spec *spec, const char *wanted)
{
	char line[LINE_MAX_BYTES];

	snprintf(line, sizeof(line), "%s|%s", TCG_MACHINE, wanted);
	assert_line(spec, false, line);
}

static void assert_refused(const struct qemu_spec *spec, const char *field, const char *words)
{
	struct qemu_args args = { .n = 77 };
	struct hy_err e = { 0 };

	assert_int_equal(qemu_args_build(spec, false, &args, &e), -EINVAL);
	assert_string_equal(e.field, field);
	assert_string_equal(hy_err_code(&e), "bad-option");
	if (!strstr(e.text, words))
		fail_msg("expected \"%s\", got \"%s\"", words, e.text);
	assert_int_equal(args.n, 77);	/* untouched */
}

static void the_machine_alone(void **state)
{
	struct qemu_spec spec = plain_spec();

	(void)state;
	assert_line(&spec, false, TCG_MACHINE);
	spec.vcpus = 4;
	assert_line(&spec, true, MACHINE("kvm", "host", "4"));
}

static void a_vm_of_the_lab(void **state)
{
	struct qemu_spec spec = plain_spec();

	(void)state;
	spec.kernel = "/b/vmlinux";
	spec.initrd = "/b/initrd,1";
	spec.append = "console=ttyS0 a,b";
	spec.root_9p = "/";
	spec.channel = "serial:/run/web1.sock";
	spec.console = "stdio";
	spec.qmp = "/run/qmp";
	spec.pidfile = "/run/pid,1";
	spec.taps = (struct hy_opt_list){ 1, { "tap0,mac=52:54:00:12:34:56" } };
	assert_devices(&spec,
		       "-kernel|/b/vmlinux|-initrd|/b/initrd,1|-append|console=ttyS0 a,b|"
		       "-pidfile|/run/pid,1|-chardev|stdio,id=console|-serial|chardev:console|"
		       "-chardev|socket,id=qmp,server=on,wait=off,path=/run/qmp|"
		       "-mon|chardev=qmp,mode=control|"
		       "-chardev|socket,id=agent,server=on,wait=off,path=/run/web1.sock|"
		       "-device|virtio-serial-pci,id=serial0|"
		       "-device|virtserialport,bus=serial0.0,chardev=agent,name=io.hylics.agent.0|"
		       "-fsdev|local,id=root,security_model=none,multidevs=remap,readonly=on,"
		       "path=/|-device|virtio-9p-pci,fsdev=root,mount_tag=root|"
		       "-netdev|tap,id=net0,ifname=tap0,script=no,downscript=no,vhost=off|"
		       "-device|virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56,romfile=");
}

static void shares_and_disks(void **state)
{
	struct qemu_spec spec = plain_spec();

	(void)state;
	spec.shares_9p = (struct hy_opt_list){ 2, { "a=/x", "b.c=/y=z" } };
	spec.shares_virtiofs = (struct hy_opt_list){ 1, { "root=/run/fs.sock" } };
	spec.disks = (struct hy_opt_list){ 3, { "/d/a.qcow2", "b.img", "/d.qcow2/c" } };
	assert_devices(&spec,
		       "-fsdev|local,id=share0,security_model=passthrough,multidevs=remap,path=/x|"
		       "-device|virtio-9p-pci,fsdev=share0,mount_tag=a|"
		       "-fsdev|local,id=share1,security_model=passthrough,multidevs=remap,"
		       "path=/y=z|"
		       "-device|virtio-9p-pci,fsdev=share1,mount_tag=b.c|"
		       "-chardev|socket,id=virtiofs0,path=/run/fs.sock|"
		       "-device|vhost-user-fs-pci,chardev=virtiofs0,tag=root|"
		       "-blockdev|driver=qcow2,node-name=disk0,file.driver=file,"
		       "file.filename=/d/a.qcow2|-device|virtio-blk-pci,drive=disk0|"
		       "-blockdev|driver=raw,node-name=disk1,file.driver=file,file.filename=b.img|"
		       "-device|virtio-blk-pci,drive=disk1|"
		       "-blockdev|driver=raw,node-name=disk2,file.driver=file,"
		       "file.filename=/d.qcow2/c|-device|virtio-blk-pci,drive=disk2");
}

static void commas_cannot_add_options(void **state)
{
	struct qemu_spec spec = plain_spec();

	(void)state;
	spec.root_9p = "/a,readonly=off";
	spec.channel = "serial:/s,server=off";
	spec.console = "/c,,";
	spec.qmp = ",q";
	spec.shares_9p = (struct hy_opt_list){ 1, { "t=/d,x" } };
	spec.shares_virtiofs = (struct hy_opt_list){ 1, { "t=/v,x" } };
	spec.disks = (struct hy_opt_list){ 1, { "/i,file.driver=nbd" } };
	assert_devices(&spec,
		       "-chardev|file,id=console,path=/c,,,,|-serial|chardev:console|"
		       "-chardev|socket,id=qmp,server=on,wait=off,path=,,q|"
		       "-mon|chardev=qmp,mode=control|"
		       "-chardev|socket,id=agent,server=on,wait=off,path=/s,,server=off|"
		       "-device|virtio-serial-pci,id=serial0|"
		       "-device|virtserialport,bus=serial0.0,chardev=agent,name=io.hylics.agent.0|"
		       "-fsdev|local,id=root,security_model=none,multidevs=remap,readonly=on,"
		       "path=/a,,readonly=off|-device|virtio-9p-pci,fsdev=root,mount_tag=root|"
		       "-fsdev|local,id=share0,security_model=passthrough,multidevs=remap,"
		       "path=/d,,x|"
		       "-device|virtio-9p-pci,fsdev=share0,mount_tag=t|"
		       "-chardev|socket,id=virtiofs0,path=/v,,x|"
		       "-device|vhost-user-fs-pci,chardev=virtiofs0,tag=t|"
		       "-blockdev|driver=raw,node-name=disk0,file.driver=file,"
		       "file.filename=/i,,file.driver=nbd|-device|virtio-blk-pci,drive=disk0");
}

static void addresses_differ_between_vms(void **state)
{
	struct qemu_spec spec = plain_spec();
	struct qemu_args one = { 0 }, two = { 0 }, again = { 0 };

	(void)state;
	spec.taps = (struct hy_opt_list){ 2, { "t0", "t1" } };
	assert_int_equal(qemu_args_build(&spec, false, &one, NULL), 0);
	assert_int_equal(qemu_args_build(&spec, false, &again, NULL), 0);
	spec.name = "web2";
	assert_int_equal(qemu_args_build(&spec, false, &two, NULL), 0);
	assert_memory_equal(one.argv[one.n - 1], "virtio-net-pci,netdev=net1,mac=52:54:00:", 40);
	assert_string_equal(one.argv[one.n - 1], again.argv[again.n - 1]);
	assert_string_not_equal(one.argv[one.n - 1], two.argv[two.n - 1]);
	assert_string_not_equal(one.argv[one.n - 1] + 31, one.argv[one.n - 3] + 31);
	qemu_args_free(&one);
	qemu_args_free(&two);
	qemu_args_free(&again);
}

static void names_follow_the_contract(void **state)
{
	static const char *const wrong[] = {
		"", "Web", "a,b", "a/b",
	};
	struct qemu_spec spec = plain_spec();

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		spec.name = wrong[i];
		assert_refused(&spec, "--name", "a name is 1 to 63 of");
	}
}

static void taps_are_checked(void **state)
{
	static const char *const wrong[] = {
		"", ",mac=52:54:00:12:34:56", "a/b", "t 0", "sixteen-letters-", "t0,", "t0,mac=",
		"t0,mac=52:54:00:12:34", "t0,mac=52:54:00:12:34:5g", "t0,mac=52-54-00-12-34-56",
		"t0,mac=53:54:00:12:34:56", "t0,mac=ff:ff:ff:ff:ff:ff", "t0,mac=00:00:00:00:00:00",
		"t0,mac=52:54:00:12:34:56,vhost=on", "t0,script=/x",
	};
	struct qemu_spec spec = plain_spec();

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		spec.taps = (struct hy_opt_list){ 2, { "t0", wrong[i] } };
		assert_refused(&spec, "--tap", "--tap '");
	}
}

static void channels_are_checked(void **state)
{
	static const char *const wrong[] = {
		"", "serial:", "serial", "/run/x", "tcp:1", "vsock:", "vsock:2", "vsock:-1",
		"vsock:3x", "vsock:4294967295", "vsock:1K", "vsock:99999999999999999999",
	};
	struct qemu_spec spec = plain_spec();

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		spec.channel = wrong[i];
		assert_refused(&spec, "--channel", "--channel '");
	}
	spec.channel = "vsock:4294967294";
	assert_devices(&spec, "-device|vhost-vsock-pci,guest-cid=4294967294");
}

static void shares_are_checked(void **state)
{
	static const char *const wrong[] = {
		"", "tag", "=/x", "tag=", "a,b=/x", "a b=/x", "a/b=/x",
		"a-tag-that-is-longer-than-9p-has-room-for=/x",
	};
	struct qemu_spec spec = plain_spec();

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		spec.shares_9p = (struct hy_opt_list){ 1, { wrong[i] } };
		assert_refused(&spec, "--share-9p", "must be TAG=DIR");
		spec.shares_9p.n = 0;
		spec.shares_virtiofs = (struct hy_opt_list){ 1, { wrong[i] } };
		assert_refused(&spec, "--share-virtiofs", "must be TAG=SOCKET");
		spec.shares_virtiofs.n = 0;
	}
	spec.shares_9p = (struct hy_opt_list){ 3, { "ab=/x", "a=/y", "ab=/z" } };
	assert_refused(&spec, "--share-9p", "'ab=/z': the tag is used twice");
	spec.shares_9p = (struct hy_opt_list){ 1, { "root=/x" } };
	spec.root_9p = "/";
	assert_refused(&spec, "--share-9p", "--root-9p uses the tag 'root'");
}

static void other_mistakes(void **state)
{
	struct qemu_spec spec = plain_spec();

	(void)state;
	spec.memory_bytes += 4096;
	assert_refused(&spec, "--memory", "a multiple of 1M");
	spec = plain_spec();
	spec.initrd = "x";
	assert_refused(&spec, "--initrd", "--initrd needs --kernel");
	spec = plain_spec();
	spec.append = "";
	assert_refused(&spec, "--append", "--append needs --kernel");
	spec.kernel = "";
	assert_refused(&spec, "--kernel", "--kernel is empty");
	spec = plain_spec();
	spec.disks = (struct hy_opt_list){ 1, { "" } };
	assert_refused(&spec, "--disk", "--disk is empty");
}

static void the_largest_vm_fits(void **state)
{
	struct qemu_spec spec = plain_spec();
	struct qemu_args args = { 0 };
	char tags[HY_OPT_LIST_MAX][16];

	(void)state;
	spec.kernel = spec.initrd = spec.append = spec.root_9p = spec.console = "x";
	spec.qmp = spec.pidfile = "x";
	spec.channel = "serial:x";
	for (unsigned int i = 0; i < HY_OPT_LIST_MAX; i++) {
		snprintf(tags[i], sizeof(tags[i]), "tag%u=/x", i);
		spec.taps.item[i] = "t0";
		spec.shares_9p.item[i] = spec.shares_virtiofs.item[i] = tags[i];
		spec.disks.item[i] = "d";
	}
	spec.taps.n = spec.shares_9p.n = HY_OPT_LIST_MAX;
	spec.shares_virtiofs.n = spec.disks.n = HY_OPT_LIST_MAX;
	assert_int_equal(qemu_args_build(&spec, false, &args, NULL), 0);
	qemu_args_free(&args);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void kvm_needs_cpu_flag_and_device(void **state)
{
	char dir[] = "/tmp/hylics-test-XXXXXX", cpuinfo[64], device[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(cpuinfo, sizeof(cpuinfo), "%s/cpuinfo", dir);
	snprintf(device, sizeof(device), "%s/kvm", dir);
	assert_false(accel_kvm_usable(cpuinfo, device));
	write_text(cpuinfo, "processor\t: 0\nflags\t\t: fpu vmx sse\nvmx flags\t: ept\n");
	assert_false(accel_kvm_usable(cpuinfo, device));
	write_text(device, "");
	assert_true(accel_kvm_usable(cpuinfo, device));
	write_text(cpuinfo, "model name\t: svm vmx\nflags\t\t: fpu svm\n");
	assert_true(accel_kvm_usable(cpuinfo, device));
	write_text(cpuinfo, "flags\t\t: fpu vmxx xsvm svm_lock\n");
	assert_false(accel_kvm_usable(cpuinfo, device));
	write_text(cpuinfo, "model name\t: vmx svm\nflags\t\t: fpu\n");
	assert_false(accel_kvm_usable(cpuinfo, device));
	unlink(cpuinfo);
	unlink(device);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_machine_alone),
		cmocka_unit_test(a_vm_of_the_lab),
		cmocka_unit_test(shares_and_disks),
		cmocka_unit_test(commas_cannot_add_options),
		cmocka_unit_test(addresses_differ_between_vms),
		cmocka_unit_test(names_follow_the_contract),
		cmocka_unit_test(taps_are_checked),
		cmocka_unit_test(channels_are_checked),
		cmocka_unit_test(shares_are_checked),
		cmocka_unit_test(other_mistakes),
		cmocka_unit_test(the_largest_vm_fits),
		cmocka_unit_test(kvm_needs_cpu_flag_and_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
