/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.h - interfaces, addresses and routes over netlink, one request and its answer at a time
 *
 * Runs in: the keeper (host, root)
 * Reads from: the kernel's answers
 *
 * A socket belongs to the network namespace it was made in, whoever uses it later. Nothing here
 * checks whether a request is wise: verbs.c does, and nobody else calls what changes something.
 */
#ifndef HY_LINK_H
#define HY_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define LINK_ALIAS_MAX 256		/* as the kernel's, with the NUL */
#define LINK_KIND_MAX 16

/* What is known of an interface. */
struct link_info {
	unsigned int index;
	unsigned int peer;		/* of a veth: the other end's index, in its own namespace */
	unsigned int mtu;
	unsigned short type;		/* ARPHRD_ETHER, ... */
	char name[IFNAMSIZ];
	char kind[LINK_KIND_MAX];	/* "tun", "veth", "bridge"; "" for a physical one and lo */
	char alias[LINK_ALIAS_MAX];
};

struct link_list {
	struct link_info *info;
	unsigned int n;
	unsigned int room;
};

/* A veth to be made. */
struct link_veth {
	const char *name;		/* of the end here; "%d" becomes the first free number */
	const char *peer_name;
	int peer_netns;			/* where the other end is made */
	const uint8_t *peer_mac;
	unsigned int mtu;
};

/* One address of an interface, or one source of a rule. */
struct link_addr {
	int family;
	const uint8_t *addr;
};

/**
 * link_by_name() - Ask for an interface
 * @fd:		Netlink socket
 * @name:	Its name
 * @info:	Set on success
 * @e:		Error; -ENODEV if there is none
 */
int link_by_name(int fd, const char *name, struct link_info *info, struct hy_err *e);
int link_by_index(int fd, unsigned int index, struct link_info *info, struct hy_err *e);

/**
 * link_all() - Ask for all interfaces
 * @fd:		Netlink socket
 * @list:	Filled on success; link_list_free() frees it
 * @e:		Error
 */
int link_all(int fd, struct link_list *list, struct hy_err *e);
void link_list_free(struct link_list *list);

/**
 * link_carries_default() - Whether a default route of the main table leaves by an interface
 * @fd:		Netlink socket
 * @index:	Of the interface
 * @carries:	Set on success
 * @e:		Error
 */
int link_carries_default(int fd, unsigned int index, bool *carries, struct hy_err *e);

/**
 * link_netns_id() - The number by which this namespace knows another one; given if there is none
 * @fd:		Netlink socket
 * @netns:	The other one
 * @id:		Set on success
 * @e:		Error
 */
int link_netns_id(int fd, int netns, uint32_t *id, struct hy_err *e);

/**
 * link_make_veth() - Make a veth, both ends down
 * @fd:	Netlink socket
 * @v:	What it is to be
 * @e:	Error
 */
int link_make_veth(int fd, const struct link_veth *v, struct hy_err *e);

/**
 * link_delete() - Remove an interface; also link_set_alias() and link_set_mtu()
 * @fd:		Netlink socket
 * @index:	Of the interface
 * @e:		Error
 */
int link_delete(int fd, unsigned int index, struct hy_err *e);
int link_set_alias(int fd, unsigned int index, const char *alias, struct hy_err *e);
int link_set_mtu(int fd, unsigned int index, unsigned int mtu, struct hy_err *e);

/**
 * link_set_flags() - Set flags of an interface, such as IFF_UP; none is taken off
 * @fd:		Netlink socket
 * @index:	Of the interface
 * @flags:	Those to set
 * @e:		Error
 */
int link_set_flags(int fd, unsigned int index, unsigned int flags, struct hy_err *e);

/**
 * link_address() - Add or remove an address of full length, without duplicate detection
 * @fd:		Netlink socket
 * @add:	Or remove; what is there already, or not any more, is no error
 * @index:	Of the interface
 * @a:		Address
 * @e:		Error
 */
int link_address(int fd, bool add, unsigned int index, const struct link_addr *a,
		 struct hy_err *e);

/**
 * link_default_route() - A default route without a gateway; one that is there is no error
 * @fd:		Netlink socket
 * @family:	AF_INET, AF_INET6
 * @index:	Of the interface
 * @table:	Routing table
 * @e:		Error
 */
int link_default_route(int fd, int family, unsigned int index, uint32_t table, struct hy_err *e);

/**
 * link_source_rule() - What is sent from an address looks into a table
 * @fd:		Netlink socket
 * @add:	Or remove; what is there already, or not any more, is no error
 * @a:		Address
 * @table:	Routing table
 * @e:		Error
 */
int link_source_rule(int fd, bool add, const struct link_addr *a, uint32_t table,
		     struct hy_err *e);

/**
 * link_watch() - Be told of the interfaces of the calling thread's namespace
 * @e:	Error
 *
 * Return: a non-blocking descriptor for link_watched(), the caller's, or -errno
 */
int link_watch(struct hy_err *e);

/* Told for each interface that is new, has changed or is gone (@gone). */
typedef void (*link_told)(void *object, const struct link_info *info, bool gone);

/**
 * link_watched() - Read what has happened
 * @fd:		From link_watch()
 * @told:	Called for each
 * @object:	Passed to @told
 *
 * Return: 0, -ENOBUFS if some were lost: everything may have changed, another -errno
 */
int link_watched(int fd, link_told told, void *object);

#endif
