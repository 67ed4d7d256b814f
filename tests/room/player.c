/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * player.c - a worker that was taken over: tries from inside the room what it must not be able to
 *
 * Runs in: tests/system/test_room.py, where hylics-keeper starts it as its worker
 * Reads from: the test
 *
 *	room-player SHARE TCP-PORT ABSTRACT-NAME SHM-ID PATH... --link=FD --room=UID
 *
 * It goes into the room as a worker does, but for the list of system calls: what is refused here is
 * refused by the room alone. Then it tries PATHs of the host and everything in the table below, and
 * prints "NAME WORD" for each: "ok", or the name of an errno. The test knows what is right.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/keep.h"
#include "common/own.h"
#include "common/sandbox.h"
#include "hylics-worker/room.h"

#define PIDS_MAX 4096
#define FDS_MAX 1024
#define FIXED_ARGS 5			/* with the program's name */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77			/* Linux 6.5 */
#endif

static struct {
	int share, link, door;
	const char *port, *name, *shm;
} it;

/* -- files -- */

static int result(long rc)
{
	return rc < 0 ? errno : 0;
}

static int try_open(const char *path, int flags)
{
	hy_autofd fd = open(path, flags | O_CLOEXEC, 0600);

	return result(fd);
}

/* A file of the guest's: another user's, mode 0600, in a folder of mode 0700. */
static int read_private(void)
{
	hy_autofd fd = open("/share/private/file", O_RDONLY | O_CLOEXEC);
	char text[8] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return errno;
	return strcmp(text, "guest's") == 0 ? 0 : EBADMSG;
}

static int write_file(void)
{
	return try_open("/share/open", O_WRONLY);
}

static int create_file(void)
{
	return try_open("/share/new", O_WRONLY | O_CREAT);
}

static int create_in_root(void)
{
	return try_open("/new", O_WRONLY | O_CREAT);
}

static int make_folder(void)
{
	return result(mkdir("/share/folder", 0700));
}

static int remove_file(void)
{
	return result(unlink("/share/open"));
}

static int rename_file(void)
{
	return result(rename("/share/open", "/share/other"));
}

static int link_file(void)
{
	return result(link("/share/open", "/share/other"));
}

static int cut_file(void)
{
	return result(truncate("/share/open", 0));
}

static int change_mode(void)
{
	return result(chmod("/share/open", 0777));
}

static int change_owner(void)
{
	return result(chown("/share/open", 0, 0));
}

static int change_times(void)
{
	return result(utimensat(AT_FDCWD, "/share/open", NULL, 0));
}

static int set_attribute(void)
{
	return result(setxattr("/share/open", "user.x", "1", 1, 0));
}

static int make_node(void)
{
	return result(mknod("/share/pipe", S_IFIFO | 0600, 0));
}

static int map_for_writing(void)
{
	hy_autofd fd = open("/share/open", O_RDONLY | O_CLOEXEC);
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? errno : 0;
}

static int run_file(void)
{
	char program[] = "/share/program";
	char *const argv[] = { program, NULL };

	return result(execve(program, argv, argv + 1));
}

/* A link of the guest's to the host's /etc: it leads nowhere. */
static int follow_link(void)
{
	return try_open("/share/etc/passwd", O_RDONLY);
}

static int climb_out(void)
{
	hy_autofd fd = openat(it.share, "../../../etc/passwd", O_RDONLY | O_CLOEXEC);

	return result(fd);
}

static int list_root(void)
{
	return try_open("/", O_RDONLY | O_DIRECTORY);
}

static int open_by_handle(void)
{
	struct {
		struct file_handle head;
		unsigned char bytes[MAX_HANDLE_SZ];
	} h = { .head.handle_bytes = MAX_HANDLE_SZ };
	hy_autofd dir = open("/share", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	hy_autofd fd = -1;
	int mount_id;

	if (dir < 0 || name_to_handle_at(dir, "open", &h.head, &mount_id, 0) < 0)
		return ECANCELED;
	fd = open_by_handle_at(dir, &h.head, O_RDONLY | O_CLOEXEC);
	return result(fd);
}

/* A directory of the host's that was left open would be a way out. */
static int find_open_directory(void)
{
	struct stat st;

	for (int fd = 0; fd < FDS_MAX; fd++) {
		if (fd != it.share && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
			return 0;
	}
	return ENOENT;
}

/* -- namespaces, mounts, the machine -- */

static int mount_tmpfs(void)
{
	return result(mount("none", "/share", "tmpfs", 0, NULL));
}

static int mount_new_way(void)
{
	hy_autofd fd = fsopen("proc", FSOPEN_CLOEXEC);

	return result(fd);
}

static int copy_mount(void)
{
	hy_autofd fd = open_tree(it.share, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);

	return result(fd);
}

static int make_share_writable(void)
{
	return result(mount(NULL, "/share", NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int unmount_share(void)
{
	return result(umount2("/share", MNT_DETACH));
}

static int change_root(void)
{
	return result(chroot("/share"));
}

static int pivot_root(void)
{
	return result(syscall(SYS_pivot_root, "/share", "/share"));
}

static int new_user_namespace(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int new_mount_namespace(void)
{
	return result(unshare(CLONE_NEWNS));
}

static int new_network(void)
{
	return result(unshare(CLONE_NEWNET));
}

static int new_clone(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int become_root(void)
{
	return result(setuid(0));
}

static int join_group(void)
{
	const gid_t root = 0;

	return result(syscall(SYS_setgroups, 1, &root));
}

static int raise_capability(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return ECANCELED;
	data[0].permitted |= 1u << CAP_SYS_ADMIN;
	return result(syscall(SYS_capset, &head, data));
}

static int load_bpf(void)
{
	static const char insns[16] = { '\xb7', 0, 0, 0, 0, 0, 0, 0, '\x95' };
	union bpf_attr a = { .prog_type = BPF_PROG_TYPE_SCHED_CLS, .insn_cnt = 2,
			     .insns = (uintptr_t)insns, .license = (uintptr_t)"GPL" };

	return result(syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a)));
}

static int next_bpf_program(void)
{
	union bpf_attr a = { 0 };

	return result(syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &a, sizeof(a)));
}

static int set_host_name(void)
{
	return result(sethostname("x", 1));
}

static int restart_machine(void)
{
	return result(reboot(RB_DISABLE_CAD));
}

static int read_kernel_log(void)
{
	return result(syscall(SYS_syslog, 2, NULL, 0));
}

/* -- other processes -- */

static int signal_everybody(void)
{
	return result(kill(-1, 0));
}

static int signal_somebody(void)
{
	for (pid_t pid = 2; pid <= PIDS_MAX; pid++) {
		if (kill(pid, 0) == 0 || errno != ESRCH)
			return errno == ESRCH ? 0 : errno;
	}
	return ESRCH;
}

static int trace_somebody(void)
{
	for (pid_t pid = 2; pid <= PIDS_MAX; pid++) {
		if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 || errno != ESRCH)
			return errno == ESRCH ? 0 : errno;
	}
	return ESRCH;
}

static int read_memory(void)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { &byte, 1 };

	for (pid_t pid = 2; pid <= PIDS_MAX; pid++) {
		if (process_vm_readv(pid, &here, 1, &there, 1, 0) > 0 || errno != ESRCH)
			return errno == ESRCH ? 0 : errno;
	}
	return ESRCH;
}

/* A newer kernel gives a descriptor of the process at the other end of the link: the keeper. */
static int keeper_fd(void)
{
	socklen_t len = sizeof(int);
	int fd = -1;

	return getsockopt(it.link, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) < 0 ? -1 : fd;
}

static int signal_keeper(void)
{
	hy_autofd fd = keeper_fd();

	return fd < 0 ? ENOPROTOOPT : result(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
}

static int take_keepers_file(void)
{
	hy_autofd fd = keeper_fd();

	return fd < 0 ? ENOPROTOOPT : result(syscall(SYS_pidfd_getfd, fd, 0, 0));
}

static int join_keepers_namespaces(void)
{
	hy_autofd fd = keeper_fd();

	return fd < 0 ? ENOPROTOOPT : result(setns(fd, CLONE_NEWNS | CLONE_NEWNET));
}

static int attach_shared_memory(void)
{
	struct shmid_ds ds;

	return result(shmctl(atoi(it.shm), IPC_STAT, &ds));
}

/* -- networks -- */

static int connect_loopback(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)atoi(it.port)),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval patience = { .tv_usec = 300000 };
	hy_autofd fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return result(connect(fd, (struct sockaddr *)&sin, sizeof(sin)));
}

static int connect_abstract(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = strlen(it.name);
	hy_autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(sun.sun_path + 1, it.name, len);
	return result(connect(fd, (struct sockaddr *)&sun,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)));
}

static int packet_socket(void)
{
	hy_autofd fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	return result(fd);
}

static int raw_socket(void)
{
	hy_autofd fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);

	return result(fd);
}

/* The pairs that join it with the keeper: in which network were they made? */
static int network_of_the_link(void)
{
	hy_autofd fd = ioctl(it.link, SIOCGSKNS);

	return result(fd);
}

static int count_interfaces_by_the_link(void)
{
	struct ifconf c = { 0 };

	return result(ioctl(it.link, SIOCGIFCONF, &c));
}

static int change_interface_by_the_link(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = 0 };

	return result(ioctl(it.link, SIOCSIFFLAGS, &r));
}

static const struct {
	const char *name;
	int (*try)(void);
} attempts[] = {
#define TRY(name) { #name, name }
	TRY(read_private), TRY(write_file), TRY(create_file), TRY(create_in_root),
	TRY(make_folder), TRY(remove_file), TRY(rename_file), TRY(link_file), TRY(cut_file),
	TRY(change_mode), TRY(change_owner), TRY(change_times), TRY(set_attribute),
	TRY(make_node), TRY(map_for_writing), TRY(run_file), TRY(follow_link), TRY(climb_out),
	TRY(list_root), TRY(open_by_handle), TRY(find_open_directory), TRY(mount_tmpfs),
	TRY(mount_new_way), TRY(copy_mount), TRY(make_share_writable), TRY(unmount_share),
	TRY(change_root), TRY(pivot_root), TRY(new_user_namespace), TRY(new_mount_namespace),
	TRY(new_network), TRY(new_clone), TRY(become_root), TRY(join_group),
	TRY(raise_capability), TRY(load_bpf), TRY(next_bpf_program), TRY(set_host_name),
	TRY(restart_machine), TRY(read_kernel_log), TRY(signal_everybody), TRY(signal_somebody),
	TRY(trace_somebody), TRY(read_memory), TRY(signal_keeper), TRY(take_keepers_file),
	TRY(join_keepers_namespaces), TRY(attach_shared_memory), TRY(connect_loopback),
	TRY(connect_abstract), TRY(packet_socket), TRY(raw_socket), TRY(network_of_the_link),
	TRY(count_interfaces_by_the_link), TRY(change_interface_by_the_link),
};

/* -- on the way in -- */

static void say(const char *what, const char *name, int error)
{
	printf("%s%s %s\n", what, name, error ? strerrorname_np(error) : "ok");
}

static void say_interfaces(void)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *one = all; one && one->if_index; one++)
		say("interface ", one->if_name, 0);
	if_freenameindex(all);
}

static long number_of(char **argv, const char *option)
{
	size_t len = strlen(option);

	for (; *argv; argv++) {
		if (strncmp(*argv, option, len) == 0)
			return strtol(*argv + len, NULL, 10);
	}
	return -1;
}

static int enter(char **argv, struct hy_err *e)
{
	long uid = number_of(argv, "--room=");
	struct hy_fds fds;
	uint32_t slot;
	int rc;

	it.link = (int)number_of(argv, "--link=");
	rc = uid < 0 ? -EINVAL : hy_sandbox_started(it.link, e);
	if (rc < 0)
		return rc;
	it.share = worker_enter_room(argv[1], (uid_t)uid, e);
	if (it.share < 0)
		return it.share;
	while ((rc = keep_take(it.link, &slot, &fds, e)) > 0)
		if (slot == KEEP_TOOL + 1 && fds.n)
			it.door = fds.fd[0];
	return rc < 0 ? rc : hy_sandbox_bare(WORKER_ROOM_CAPABILITIES, e);
}

int main(int argc, char **argv)
{
	struct hy_err e = { 0 };
	int paths = argc;

	if (argc < FIXED_ARGS || enter(argv, &e) < 0) {
		fprintf(stderr, "room-player: %s: %s\n", e.text, strerror(e.num));
		return 0;		/* nobody is to start it again */
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	it.port = argv[2];
	it.name = argv[3];
	it.shm = argv[4];
	for (int i = FIXED_ARGS; i < paths && argv[i][0] == '/'; i++)
		say("path ", argv[i], try_open(argv[i], O_PATH));
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		say("", attempts[i].name, attempts[i].try());
	say_interfaces();
	printf("landlock %ld\n", syscall(SYS_landlock_create_ruleset, NULL, 0,
					 LANDLOCK_CREATE_RULESET_VERSION));
	printf("pid %d uid %u gid %u groups %d\n", (int)getpid(), getuid(), getgid(),
	       getgroups(0, NULL));
	return 0;
}
