/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu_args.c - the one place where QEMU command lines are made
 *
 * Runs in: hylics
 * Reads from: the operator's command line
 *
 * QEMU splits most of its option values at commas, so every path is escaped (",," is a comma).
 * Memory is a shared memfd always: virtiofs and the switch work on the guest's own pages.
 */
#include "cli/qemu_args.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/name.h"

#define TAG_LEN_MAX 31		/* what 9p allows; virtiofs allows 35 */
#define CID_MIN 3		/* below: hypervisor, local, host */
#define CID_MAX (UINT32_MAX - 1)	/* the last is "any" */
#define MEMORY_UNIT (UINT64_C(1) << 20)

/*
 * TCG runs "rep movsb" byte by byte, so the guest kernel must not think it fast (erms); smap and
 * smep cost a TLB flush per kernel entry there and protect nothing in a lab.
 */
#define CPU_TCG "max,-erms,-smap,-smep"
#define CPU_KVM "host"

static void __attribute__((format(printf, 2, 3)))
add(struct qemu_args *args, const char *fmt, ...)
{
	va_list ap;
	char *word;

	if (args->full || args->n == QEMU_ARGV_MAX) {
		args->full = true;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&word, fmt, ap) < 0)
		args->full = true;
	else
		args->argv[args->n++] = word;
	va_end(ap);
}

/* Adds a word that ends in a text of the operator's, with its commas escaped. */
static void add_escaped(struct qemu_args *args, const char *before, const char *text)
{
	size_t used = strlen(before);
	char *word = malloc(used + 2 * strlen(text) + 1);

	if (!word) {
		args->full = true;
		return;
	}
	memcpy(word, before, used);
	for (; *text; text++) {
		if (*text == ',')
			word[used++] = ',';
		word[used++] = *text;
	}
	word[used] = '\0';
	add(args, "%s", word);
	free(word);
}

static int need_text(const char *option, const char *text, struct hy_err *e)
{
	if (!text || text[0])
		return 0;
	return hy_err_usage(e, option, "%s is empty", option);
}

/* Texts that name files: an empty one is a shell variable that was not set. */
static int check_texts(const struct qemu_spec *s, struct hy_err *e)
{
	const struct {
		const char *option, *text;
	} texts[] = {
		{ "--kernel", s->kernel }, { "--initrd", s->initrd },
		{ "--root-9p", s->root_9p }, { "--console", s->console },
		{ "--qmp", s->qmp }, { "--pidfile", s->pidfile },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int rc = need_text(texts[i].option, texts[i].text, e);

		if (rc < 0)
			return rc;
	}
	for (unsigned int i = 0; i < s->disks.n; i++)
		if (!s->disks.item[i][0])
			return hy_err_usage(e, "--disk", "--disk is empty");
	return 0;
}

static int check_spec(const struct qemu_spec *s, struct hy_err *e)
{
	if (!hy_name_valid(s->name))
		return hy_err_usage(e, "--name",
				    "--name '%s': a name is 1 to 63 of a-z, 0-9 and '-', and does "
				    "not start with '-'", s->name);
	if (s->memory_bytes == 0 || s->memory_bytes % MEMORY_UNIT)
		return hy_err_usage(e, "--memory", "--memory: must be a multiple of 1M");
	if (s->initrd && !s->kernel)
		return hy_err_usage(e, "--initrd", "--initrd needs --kernel");
	if (s->append && !s->kernel)
		return hy_err_usage(e, "--append", "--append needs --kernel");
	return check_texts(s, e);
}

static void add_machine(struct qemu_args *args, const struct qemu_spec *s, bool kvm)
{
	uint64_t megabytes = s->memory_bytes / MEMORY_UNIT;

	add(args, QEMU_PROGRAM);
	add(args, "-name");
	add(args, "guest=%s,debug-threads=on", s->name);
	add(args, "-nodefaults");
	add(args, "-no-user-config");
	add(args, "-no-reboot");
	add(args, "-display");
	add(args, "none");
	add(args, "-accel");
	add(args, "%s", kvm ? "kvm" : "tcg,thread=multi");
	add(args, "-cpu");
	add(args, "%s", kvm ? CPU_KVM : CPU_TCG);
	add(args, "-machine");
	add(args, "q35,memory-backend=mem0");
	add(args, "-m");
	add(args, "%" PRIu64 "M", megabytes);
	add(args, "-object");
	add(args, "memory-backend-memfd,id=mem0,size=%" PRIu64 "M,share=on", megabytes);
	add(args, "-smp");
	add(args, "%" PRId64, s->vcpus);
}

/* These are file names and texts of their own: QEMU does not split them. */
static void add_boot(struct qemu_args *args, const struct qemu_spec *s)
{
	const struct {
		const char *option, *text;
	} words[] = {
		{ "-kernel", s->kernel }, { "-initrd", s->initrd }, { "-append", s->append },
		{ "-pidfile", s->pidfile },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!words[i].text)
			continue;
		add(args, "%s", words[i].option);
		add(args, "%s", words[i].text);
	}
}

static void add_console(struct qemu_args *args, const char *console)
{
	if (!console)
		return;
	add(args, "-chardev");
	if (strcmp(console, "stdio") == 0)
		add(args, "stdio,id=console");
	else
		add_escaped(args, "file,id=console,path=", console);
	add(args, "-serial");
	add(args, "chardev:console");
}

static void add_qmp(struct qemu_args *args, const char *socket)
{
	if (!socket)
		return;
	add(args, "-chardev");
	add_escaped(args, "socket,id=qmp,server=on,wait=off,path=", socket);
	add(args, "-mon");
	add(args, "chardev=qmp,mode=control");
}

static void add_serial_channel(struct qemu_args *args, const char *path)
{
	add(args, "-chardev");
	add_escaped(args, "socket,id=agent,server=on,wait=off,path=", path);
	add(args, "-device");
	add(args, "virtio-serial-pci,id=serial0");
	add(args, "-device");
	add(args, "virtserialport,bus=serial0.0,chardev=agent,name=" QEMU_AGENT_PORT);
}

/*
 * A guest reads the command as a file of its firmware's, and answers at a port of its own:
 * neither takes part of the console, and both work with any kernel command line.
 */
static void add_order(struct qemu_args *args, const struct qemu_fds *fds)
{
	add(args, "-fw_cfg");
	add(args, "name=" QEMU_RUN_FILE ",file=/proc/self/fd/%d", fds->script);
	add(args, "-chardev");
	add(args, "socket,id=run,fd=%d", fds->result);
	add(args, "-device");
	add(args, "virtio-serial-pci,id=serial1");
	add(args, "-device");
	add(args, "virtserialport,bus=serial1.0,chardev=run,name=" QEMU_RUN_PORT);
}

static void add_inherited(struct qemu_args *args, const struct qemu_fds *fds)
{
	if (!fds)
		return;
	add(args, "-chardev");
	add(args, "socket,id=qmp,fd=%d", fds->qmp);
	add(args, "-mon");
	add(args, "chardev=qmp,mode=control");
	if (fds->script >= 0)
		add_order(args, fds);
}

static int add_vsock_channel(struct qemu_args *args, const char *text, struct hy_err *e)
{
	uint64_t cid = 0;

	/* a size without a unit is a plain number, as strictly read as we want it */
	if (text[strspn(text, "0123456789")] || hy_opt_size(text, &cid) < 0 || cid < CID_MIN ||
	    cid > CID_MAX)
		return hy_err_usage(e, "--channel",
				    "--channel 'vsock:%s': the CID must be from %d to %" PRIu32,
				    text, CID_MIN, CID_MAX);
	add(args, "-device");
	add(args, "vhost-vsock-pci,guest-cid=%" PRIu64, cid);
	return 0;
}

static int add_channel(struct qemu_args *args, const char *channel, struct hy_err *e)
{
	if (!channel)
		return 0;
	if (strncmp(channel, "vsock:", 6) == 0)
		return add_vsock_channel(args, channel + 6, e);
	if (strncmp(channel, "serial:", 7) != 0 || !channel[7])
		return hy_err_usage(e, "--channel",
				    "--channel '%s': must be serial:PATH or vsock:CID", channel);
	add_serial_channel(args, channel + 7);
	return 0;
}

/* "52:54:00:12:34:56", of one interface (not a group), not all zero */
static bool mac_valid(const char *mac)
{
	if (strlen(mac) != QEMU_MAC_LEN || strcmp(mac, "00:00:00:00:00:00") == 0)
		return false;
	for (int i = 0; i < QEMU_MAC_LEN; i++)
		if (i % 3 == 2 ? mac[i] != ':' : !isxdigit((unsigned char)mac[i]))
			return false;
	return strchr("02468aceACE", mac[1]) != NULL;
}

/*
 * QEMU gives the first interface of every VM the same address. One made of the VM's name stays the
 * same at each start and differs between VMs (FNV-1a; 24 bits are enough for a lab's network).
 */
static void mac_of(const char *vm, unsigned int index, char mac[QEMU_MAC_LEN + 1])
{
	uint32_t hash = 2166136261u;

	for (; *vm; vm++)
		hash = (hash ^ (unsigned char)*vm) * 16777619u;
	hash = (hash ^ index) * 16777619u;
	hash ^= hash >> 24;
	snprintf(mac, QEMU_MAC_LEN + 1, "52:54:00:%02x:%02x:%02x", hash >> 16 & 0xff,
		 hash >> 8 & 0xff, hash & 0xff);
}

static void add_netdev(struct qemu_args *args, const struct qemu_fds *fds, const char *tap,
		       size_t len, unsigned int index)
{
	add(args, "-netdev");
	if (fds)
		add(args, "tap,id=net%u,fd=%d,vhost=off", index, fds->tap[index]);
	else
		add(args, "tap,id=net%u,ifname=%.*s,script=no,downscript=no,vhost=off", index,
		    (int)len, tap);
}

static int add_tap(struct qemu_args *args, const struct qemu_spec *s, unsigned int index,
		   struct hy_err *e)
{
	const char *tap = s->taps.item[index];
	size_t len = strcspn(tap, ",");
	char mac[QEMU_MAC_LEN + 1];

	if (!hy_ifname_valid(tap, len))
		return hy_err_usage(e, "--tap", "--tap '%s': an interface name is 1 to %d letters, "
				    "digits, '.', '_' or '-'", tap, IFNAMSIZ - 1);
	if (!tap[len])
		mac_of(s->name, index, mac);
	else if (strncmp(tap + len, ",mac=", 5) == 0 && mac_valid(tap + len + 5))
		memcpy(mac, tap + len + 5, sizeof(mac));
	else
		return hy_err_usage(e, "--tap", "--tap '%s': must be IFNAME or IFNAME,mac=MAC with "
				    "an address of one interface such as 52:54:00:12:34:56", tap);
	add_netdev(args, s->fds, tap, len, index);
	add(args, "-device");
	/* no boot ROM: guests do not boot from the network, and the ROMs are another package */
	add(args, "virtio-net-pci,netdev=net%u,mac=%s,romfile=", index, mac);
	return 0;
}

/* Returns the length of the tag in "TAG=REST", 0 if there is none that 9p and virtiofs allow. */
static size_t tag_len(const char *share)
{
	size_t len = strcspn(share, "=");

	if (!share[len] || len > TAG_LEN_MAX || !share[len + 1])
		return 0;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)share[i]) && !strchr("._-", share[i]))
			return 0;
	return len;
}

static bool tag_used(const struct hy_opt_list *shares, unsigned int n, const char *share,
		     size_t len)
{
	for (unsigned int i = 0; i < n; i++)
		if (strncmp(shares->item[i], share, len + 1) == 0)
			return true;
	return false;
}

static int check_share(const char *option, const char *what, const struct hy_opt_list *shares,
		       unsigned int i, struct hy_err *e)
{
	const char *share = shares->item[i];
	size_t len = tag_len(share);

	if (!len)
		return hy_err_usage(e, option, "%s '%s': must be TAG=%s, with a tag of 1 to %d "
				    "letters, digits, '.', '_' or '-'", option, share, what,
				    TAG_LEN_MAX);
	if (tag_used(shares, i, share, len))
		return hy_err_usage(e, option, "%s '%s': the tag is used twice", option, share);
	return 0;
}

/*
 * Passthrough: a file's owner and mode are the same on both sides, as over virtiofs, and a chown
 * that QEMU has no right to fails. "none" lets it seem to work.
 */
static void add_9p(struct qemu_args *args, const char *id, const char *tag, int tag_chars,
		   const char *dir, bool readonly)
{
	char before[96];

	snprintf(before, sizeof(before), "local,id=%s,security_model=%s,multidevs=remap,%spath=",
		 id, readonly ? "none" : "passthrough", readonly ? "readonly=on," : "");
	add(args, "-fsdev");
	add_escaped(args, before, dir);
	add(args, "-device");
	add(args, "virtio-9p-pci,fsdev=%s,mount_tag=%.*s", id, tag_chars, tag);
}

static int add_shares_9p(struct qemu_args *args, const struct qemu_spec *s, struct hy_err *e)
{
	const struct hy_opt_list *shares = &s->shares_9p;
	char id[16];

	if (s->root_9p)
		add_9p(args, "root", "root", 4, s->root_9p, true);
	for (unsigned int i = 0; i < shares->n; i++) {
		const char *share = shares->item[i];
		int rc = check_share("--share-9p", "DIR", shares, i, e);

		if (rc < 0)
			return rc;
		if (s->root_9p && strncmp(share, "root=", 5) == 0)
			return hy_err_usage(e, "--share-9p",
					    "--share-9p '%s': --root-9p uses the tag 'root'",
					    share);
		snprintf(id, sizeof(id), "share%u", i);
		add_9p(args, id, share, (int)tag_len(share), share + tag_len(share) + 1, false);
	}
	return 0;
}

static int add_shares_virtiofs(struct qemu_args *args, const struct hy_opt_list *shares,
			       struct hy_err *e)
{
	char before[64];

	for (unsigned int i = 0; i < shares->n; i++) {
		const char *share = shares->item[i];
		size_t len = tag_len(share);
		int rc = check_share("--share-virtiofs", "SOCKET", shares, i, e);

		if (rc < 0)
			return rc;
		snprintf(before, sizeof(before), "socket,id=virtiofs%u,path=", i);
		add(args, "-chardev");
		add_escaped(args, before, share + len + 1);
		add(args, "-device");
		add(args, "vhost-user-fs-pci,chardev=virtiofs%u,tag=%.*s", i, (int)len, share);
	}
	return 0;
}

/* Given as driver and file name apart, a path with a colon is not taken for "protocol:". */
static void add_disks(struct qemu_args *args, const struct hy_opt_list *disks)
{
	char before[96];

	for (unsigned int i = 0; i < disks->n; i++) {
		const char *dot = strrchr(disks->item[i], '.');
		bool qcow2 = dot && strcmp(dot, ".qcow2") == 0;

		snprintf(before, sizeof(before),
			 "driver=%s,node-name=disk%u,file.driver=file,file.filename=",
			 qcow2 ? "qcow2" : "raw", i);
		add(args, "-blockdev");
		add_escaped(args, before, disks->item[i]);
		add(args, "-device");
		add(args, "virtio-blk-pci,drive=disk%u", i);
	}
}

static int add_all(struct qemu_args *args, const struct qemu_spec *s, bool kvm, struct hy_err *e)
{
	int rc = 0;

	add_machine(args, s, kvm);
	add_boot(args, s);
	add_console(args, s->console);
	add_qmp(args, s->qmp);
	add_inherited(args, s->fds);
	rc = add_channel(args, s->channel, e);
	if (rc == 0)
		rc = add_shares_9p(args, s, e);
	if (rc == 0)
		rc = add_shares_virtiofs(args, &s->shares_virtiofs, e);
	for (unsigned int i = 0; rc == 0 && i < s->taps.n; i++)
		rc = add_tap(args, s, i, e);
	add_disks(args, &s->disks);
	if (rc == 0 && args->full)
		rc = hy_err_set(e, ENOMEM, "vm '%s': QEMU command line", s->name);
	return rc;
}

int qemu_args_build(const struct qemu_spec *s, bool kvm, struct qemu_args *args, struct hy_err *e)
{
	struct qemu_args made = { 0 };
	int rc = check_spec(s, e);

	if (rc < 0)
		return rc;
	rc = add_all(&made, s, kvm, e);
	if (rc < 0)
		qemu_args_free(&made);
	else
		*args = made;
	return rc;
}

void qemu_args_free(struct qemu_args *args)
{
	for (unsigned int i = 0; i < args->n; i++)
		free(args->argv[i]);
	*args = (struct qemu_args){ 0 };
}
