/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * driver.c - holds a twin and does with it what is written to its standard input
 *
 * Runs in: tests/system/test_twin.py, on the host's node
 * Reads from: the test
 *
 *	twin-driver VM [alone]	makes the twin, says "ok PID FD" of its network namespace; "alone":
 *				without following its edges
 *	twin-driver sweep	sweeps and ends
 *	twin-driver links	the splices' links in this namespace, "IFACE PROGRAM", and ends
 *
 * A command is a line, and so is its answer: "ok ...", or "ERRNO text".
 *
 *	nic EDGE,MAC[,ADDRESS...] VLAN			twin_add_nic()
 *	listen PORT YES					twin_listen()
 *	look PORT					ok LISTENS CONNECTIONS REMAINS
 *	reset PORT					ok N: twin_port_reset()
 *	moved ADDRESS PORT LOCAL-PORT			as the worker marks a connection of its own
 *	addresses NIC X,MAC[,ADDRESS...]		twin_set_addresses()
 *	state NIC					ok EDGE-INDEX MTU HOST-INDEX
 *	counts NIC					ok NAME=N ...
 *	child						a process inside that outlives this one
 *	close						twin_close(), then the end
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "twin/splice_tcx.h"
#include "twin/nic.h"
#include "twin/port.h"
#include "twin/twin.h"

#define FDS_MAX 256
#define LINE_BYTES 4096

struct driver {
	struct hy_log log;
	struct ev_loop loop;
	struct twin twin;
	char line[LINE_BYTES];
	size_t len;
};

struct command {
	const char *name;
	int (*run)(struct driver *d, const char *args, struct hy_err *e);
};

static int find_nic(const struct driver *d, const char *text, unsigned int *nic, struct hy_err *e)
{
	if (sscanf(text, "%u", nic) != 1 || *nic >= d->twin.n_nics)
		return hy_err_set(e, EINVAL, "'%s'", text);
	return 0;
}

static int add_nic(struct driver *d, const char *args, struct hy_err *e)
{
	struct twin_nic_spec spec;
	char text[1024];
	unsigned int vlan;
	int rc;

	if (sscanf(args, "%1023s %u", text, &vlan) != 2)
		return hy_err_set(e, EINVAL, "'%s'", args);
	rc = twin_nic_parse(text, &spec, e);
	if (rc < 0)
		return rc;
	spec.vlan = vlan;
	rc = twin_add_nic(&d->twin, &spec, e);
	if (rc == 0)
		printf("ok %u\n", d->twin.n_nics - 1);
	return rc;
}

static int set_listening(struct driver *d, const char *args, struct hy_err *e)
{
	unsigned int port, yes;
	int rc;

	if (sscanf(args, "%u %u", &port, &yes) != 2)
		return hy_err_set(e, EINVAL, "'%s'", args);
	rc = twin_listen(&d->twin, (uint16_t)port, yes != 0, e);
	if (rc == 0)
		printf("ok\n");
	return rc;
}

static int read_port(const char *text, unsigned int *port, struct hy_err *e)
{
	return sscanf(text, "%u", port) == 1 ? 0 : hy_err_set(e, EINVAL, "'%s'", text);
}

static int look_at_port(struct driver *d, const char *args, struct hy_err *e)
{
	struct twin_desk desk;
	struct twin_port p;
	unsigned int port;
	int rc = read_port(args, &port, e);

	if (rc == 0)
		rc = twin_desk_open(&d->twin, &desk, e);
	if (rc < 0)
		return rc;
	rc = twin_port_look(&desk, (uint16_t)port, &p, e);
	if (rc == 0)
		printf("ok %d %u %u\n", p.listens, p.connections, p.remains);
	twin_desk_close(&desk);
	return rc;
}

static int reset_port(struct driver *d, const char *args, struct hy_err *e)
{
	struct twin_desk desk;
	unsigned int port;
	int rc = read_port(args, &port, e);

	if (rc == 0)
		rc = twin_desk_open(&d->twin, &desk, e);
	if (rc < 0)
		return rc;
	rc = twin_port_reset(&desk, (uint16_t)port, e);
	if (rc >= 0)
		printf("ok %d\n", rc);
	twin_desk_close(&desk);
	return rc < 0 ? rc : 0;
}

static void mark_moved(struct splice_present *p, const struct splice_addr *remote,
		       unsigned int port, unsigned int local)
{
	uint32_t bit = splice_present_bit(remote, htons((uint16_t)port), htons((uint16_t)local));

	p->kept = 1;
	p->word[bit / 64] |= UINT64_C(1) << bit % 64;
}

static int take_as_moved(struct driver *d, const char *args, struct hy_err *e)
{
	struct splice_addr remote = { .family = AF_INET6 };
	struct splice_present *p;
	char text[64];
	unsigned int port, local;

	if (sscanf(args, "%63s %u %u", text, &port, &local) != 3)
		return hy_err_set(e, EINVAL, "'%s'", args);
	if (inet_pton(AF_INET6, text, remote.word) != 1) {
		remote.family = AF_INET;
		inet_pton(AF_INET, text, remote.word);
	}
	p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED, d->twin.present, 0);
	if (p == MAP_FAILED)
		return hy_err_set(e, errno, "map of connections");
	mark_moved(p, &remote, port, local);
	munmap(p, sizeof(*p));
	printf("ok\n");
	return 0;
}

static int set_addresses(struct driver *d, const char *args, struct hy_err *e)
{
	struct twin_nic_spec spec;
	char text[1024];
	unsigned int nic;
	int rc;

	if (sscanf(args, "%u %1023s", &nic, text) != 2)
		return hy_err_set(e, EINVAL, "'%s'", args);
	rc = twin_nic_parse(text, &spec, e);
	if (rc == 0)
		rc = twin_set_addresses(&d->twin, nic, spec.addr, spec.n_addrs, e);
	if (rc == 0)
		printf("ok\n");
	return rc;
}

static int tell_state(struct driver *d, const char *args, struct hy_err *e)
{
	unsigned int i;
	int rc = find_nic(d, args, &i, e);

	if (rc == 0)
		printf("ok %u %u %u\n", d->twin.nic[i].edge_index, d->twin.nic[i].mtu,
		       d->twin.nic[i].host_index);
	return rc;
}

static int tell_counts(struct driver *d, const char *args, struct hy_err *e)
{
	uint64_t counts[SPLICE_COUNTS];
	unsigned int i;
	int rc = find_nic(d, args, &i, e);

	if (rc == 0)
		rc = splice_counts(&d->twin.nic[i].splice, counts);
	if (rc < 0)
		return hy_err_set(e, -rc, "counts");
	printf("ok");
	for (unsigned int k = 0; k < SPLICE_COUNTS; k++)
		printf(" %s=%" PRIu64, splice_count_names[k], counts[k]);
	printf("\n");
	return 0;
}

static int start_child(struct driver *d, const char *args, struct hy_err *e)
{
	int ends[2];
	char word;
	pid_t child;

	(void)args;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return hy_err_set(e, errno, "pipe");
	child = fork();
	if (child == 0) {
		close(ends[0]);
		if (twin_enter(&d->twin, e) < 0 || write(ends[1], "y", 1) != 1)
			_exit(1);
		close(ends[1]);
		for (;;)
			pause();
	}
	close(ends[1]);
	if (child < 0 || read(ends[0], &word, 1) != 1)
		return hy_err_set(e, ECHILD, "child");
	close(ends[0]);
	printf("ok %d\n", (int)child);
	return 0;
}

static int end(struct driver *d, const char *args, struct hy_err *e)
{
	(void)args;
	(void)e;
	twin_close(&d->twin);
	printf("ok\n");
	ev_stop(&d->loop, 0);
	return 0;
}

static const struct command commands[] = {
	{ "nic", add_nic }, { "listen", set_listening }, { "look", look_at_port },
	{ "reset", reset_port }, { "moved", take_as_moved }, { "addresses", set_addresses },
	{ "state", tell_state },
	{ "counts", tell_counts }, { "child", start_child }, { "close", end },
};

static void obey(struct driver *d, char *line)
{
	char *args = line + strcspn(line, " ");
	struct hy_err e = { 0 };
	int rc = hy_err_set(&e, ENOSYS, "'%s'", line);

	if (*args)
		*args++ = '\0';
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, line))
			rc = commands[i].run(d, args, &e);
	if (rc < 0)
		printf("%d %s\n", e.num, e.text);
	fflush(stdout);
}

static int on_input(void *object, int fd, uint32_t events)
{
	struct driver *d = object;
	ssize_t got = read(fd, d->line + d->len, sizeof(d->line) - 1 - d->len);
	char *newline;

	(void)events;
	if (got <= 0) {
		ev_stop(&d->loop, 1);
		return -EIO;
	}
	d->len += (size_t)got;
	d->line[d->len] = '\0';
	newline = strchr(d->line, '\n');
	if (!newline)
		return 0;
	*newline = '\0';
	d->len = 0;		/* the test waits for an answer before it writes on */
	obey(d, d->line);
	return 0;
}

static void drop_input(void *object, int fd, int rc)
{
	struct driver *d = object;

	(void)rc;
	ev_del(&d->loop, fd);
}

static const struct ev_class input_class = { "input", on_input, drop_input };

static int serve(struct driver *d, const char *vm, bool alone, struct hy_err *e)
{
	int rc = ev_open(&d->loop, FDS_MAX, e);

	if (rc == 0)
		rc = twin_open(&d->twin, vm, alone ? NULL : &d->loop, &d->log, e);
	if (rc == 0)
		rc = ev_add(&d->loop, STDIN_FILENO, &input_class, d, EPOLLIN, e);
	if (rc < 0)
		return rc;
	printf("ok %d %d\n", (int)getpid(), d->twin.space.net);
	fflush(stdout);
	return ev_run(&d->loop, e);
}

static int links(void)
{
	struct if_nameindex *all = if_nameindex();

	for (const struct if_nameindex *i = all; i && i->if_index; i++) {
		for (size_t k = 0; k < SPLICE_PROGS; k++) {
			if (tcx_has(i->if_index, false, splice_bpf_names[k]) ||
			    tcx_has(i->if_index, true, splice_bpf_names[k]))
				printf("%s %s\n", i->if_name, splice_bpf_names[k]);
		}
	}
	if_freenameindex(all);
	return 0;
}

int main(int argc, char **argv)
{
	static struct driver d = {
		.log = { .program = "twin-driver", .level = HY_LOG_DEBUG },
	};
	struct hy_err e = { 0 };
	int rc;

	if (argc < 2)
		return 2;
	if (strcmp(argv[1], "links") == 0)
		return links();
	rc = strcmp(argv[1], "sweep") ? serve(&d, argv[1], argc > 2, &e) : twin_sweep(&e);
	if (rc < 0) {
		printf("%d %s\n", e.num, e.text);
		return 1;
	}
	return rc;
}
