/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record.h - what a VM is to have: the struct, what is right in it, and its file
 *
 * Runs in: hylicsd
 * Reads from: files below vms-dir, which may be cut short or edited by hand; API clients
 *
 * A record is the file NAME.conf, and its name is that of the file alone. It is written whole into
 * .NAME.conf.new, synced, and renamed, so that at any time there is the old one or the new one.
 * Its last key is the version: a file that was cut lacks it, or the end of its line.
 */
#ifndef HY_RECORD_H
#define HY_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/limits.h"
#include "conf/ini.h"

#define RECORD_VERSION 1
#define RECORD_NIC_MAX 512	/* bytes of a NIC's text, with the NUL: ten long IPv6 addresses */
#define RECORD_DOMAIN_MAX 128
#define RECORD_WEIGHT_MAX 10000

enum record_cache { RECORD_CACHE_AUTO, RECORD_CACHE_NONE, RECORD_CACHE_ALWAYS };
extern const char *const record_cache_words[];	/* virtiofsd's words for them, ended by NULL */

/* Who gives the guest its share: a virtiofsd of ours, or its QEMU over 9p (docs/share.md). */
enum record_export { RECORD_EXPORT_VIRTIOFS, RECORD_EXPORT_9P };
extern const char *const record_export_words[];	/* as mount(8) in the guest says them */

/* Who says how much of the share is in memory: the record, or a law by how long jobs take. */
enum record_control { RECORD_CONTROL_STATIC, RECORD_CONTROL_DYNAMIC };
extern const char *const record_control_words[];

/* By which law (docs/control.md); "ours" is what is held to be best. */
enum record_scheme { RECORD_SCHEME_OURS, RECORD_SCHEME_ADAPTIVE, RECORD_SCHEME_QUEUE,
		     RECORD_SCHEME_BOTH };
extern const char *const record_scheme_words[];

struct record {
	char name[HY_NAME_MAX + 1];
	int64_t uid;
	uint64_t size;				/* of the share, bytes */
	uint64_t memory;			/* 0: as much as its size; see record_memory() */
	int control;				/* enum record_control */
	uint64_t memory_min;			/* 0: by its memory; see record_memory_min() */
	uint64_t slo_ms;			/* mean response time that is wanted; 0: none */
	int scheme;				/* enum record_scheme */
	char model[HY_PATH_MAX + 1];		/* "": none */
	uint64_t idle_ms;		/* files not used so long leave memory; 0: none does */
	int64_t weight;			/* beside other VMs, in a budget that is too small */
	uint64_t interval_min_ms, interval_max_ms;	/* between two decisions */
	int64_t inodes;				/* 0: by its size; see record_inodes() */
	int cache;				/* enum record_cache */
	int export;				/* enum record_export */
	bool offload;
	char keep[HY_PATH_MAX + 1];		/* "": the content goes with the share */
	char domain[RECORD_DOMAIN_MAX];		/* "": none of libvirt's */
	unsigned int n_nics;
	char nic[HY_TWIN_NICS_MAX][RECORD_NIC_MAX];	/* as twin_nic_parse() takes them */
	unsigned int n_modules;
	char module[HY_MODULES_MAX][HY_NAME_MAX + 1];
	int64_t version;
};

/* The keys of a record, for ini_set() and the manual. */
extern const struct ini_table record_table;

/**
 * record_init() - A record that says nothing but the VM's name
 * @r:		Filled on success, and not yet what record_check() takes: size and uid are 0
 * @name:	As typed
 * @e:		Error: its field is "name"
 *
 * Return: 0, -EINVAL
 */
int record_init(struct record *r, const char *name, struct hy_err *e);

/**
 * record_check() - Whether a VM may have all that together
 * @r:	From record_init(), and ini_set() or anybody
 * @e:	Error: its field is the key at fault
 *
 * Return: 0, -EINVAL
 */
int record_check(const struct record *r, struct hy_err *e);

/**
 * record_clash() - Whether two VMs want the same thing
 * @r:		Checked record
 * @other:	Checked record of a VM with another name
 * @e:		Error: its field is the key of @r at fault
 *
 * Return: 0, -EEXIST for a uid or domain, -EBUSY for an edge or a directory to keep
 */
int record_clash(const struct record *r, const struct record *other, struct hy_err *e);

uint64_t record_memory(const struct record *r);	/* of the share, in memory: bytes, at most */
uint64_t record_memory_min(const struct record *r);	/* at least, with control=dynamic */
/* What it has in memory whatever is decided: the one or the other. */
uint64_t record_least(const struct record *r);
uint64_t record_inodes(const struct record *r);	/* given, or one per 4 KB of the size */

/* -- files -- */

struct record_dir {
	int fd;
	const char *path;		/* the caller's */
};

/* What record_load_all() finds; each is called in the order of names. */
struct record_ops {
	void (*good)(void *object, const struct record *r);
	/* Neither a VM's name nor another file's: whatever stands before ".conf". */
	void (*bad)(void *object, const char *name, const struct hy_err *e);
	/* A uid stands in a bad one, and must not be given to another VM. */
	void (*bad_uid)(void *object, uid_t uid);
};

/**
 * record_dir_open() - Open the directory of all records, made if need be
 * @d:		Filled on success, to be given to record_dir_close()
 * @path:	Kept
 * @e:		Error
 *
 * Return: 0, or -errno
 */
int record_dir_open(struct record_dir *d, const char *path, struct hy_err *e);

/* Close it. */
void record_dir_close(struct record_dir *d);

/**
 * record_load() - Read and check one
 * @d:		Directory
 * @name:	Of the VM
 * @r:		Filled on success
 * @e:		Error: names the file, and the line if one is at fault
 *
 * Return: 0, -ENOENT, -EINVAL, or -errno
 */
int record_load(const struct record_dir *d, const char *name, struct record *r, struct hy_err *e);

/**
 * record_load_all() - Read all there are, each for itself; remove what a crash left half written
 * @d:		Directory; files that do not end in ".conf" are not ours
 * @ops:	Called before this returns
 * @object:	For them
 * @e:		Error
 *
 * Return: 0, or -errno if the directory itself cannot be read
 */
int record_load_all(const struct record_dir *d, const struct record_ops *ops, void *object,
		    struct hy_err *e);

/**
 * record_save() - Write one in place of what there was, checked again
 * @d:	Directory
 * @r:	Record
 * @e:	Error: -ENOSPC and the like leave the old one as it was
 *
 * Return: 0, or -errno
 */
int record_save(const struct record_dir *d, const struct record *r, struct hy_err *e);

/**
 * record_remove() - Remove one for good
 * @d:		Directory
 * @name:	Of the VM
 * @e:		Error
 *
 * Return: 0, -ENOENT, or -errno
 */
int record_remove(const struct record_dir *d, const char *name, struct hy_err *e);

#endif
