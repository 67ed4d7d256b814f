/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vms.c - all VMs of a host: added, changed, removed, found again after a restart
 *
 * Runs in: hylicsd
 * Reads from: records; RUN/vm and the cgroups, for what another hylicsd has left
 */
#include "hylicsd/vms.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/name.h"
#include "common/own.h"
#include "hylicsd/swap.h"
#include "hylicsd/virtiofs.h"
#include "hylicsd/vms_check.h"

#define RUN_MODE 0755

/* What is under way for somebody. */
struct errand {
	struct vms *vms;
	struct vms_asker asker;
};

/* -- the list -- */

struct vm *vms_find(struct vms *vms, const char *name, struct hy_err *e)
{
	struct vm *vm;

	for (vm = TAILQ_FIRST(&vms->list); vm; vm = TAILQ_NEXT(vm, next))
		if (strcmp(vm->rec.name, name) == 0)
			return vm;
	hy_err_set(e, ENOENT, "vm '%.64s'", name);
	return NULL;
}

static void insert(struct vms *vms, struct vm *vm)
{
	struct vm *other;

	vms->n++;
	uids_take(&vms->uids, (uid_t)vm->rec.uid);
	for (other = TAILQ_FIRST(&vms->list); other; other = TAILQ_NEXT(other, next))
		if (strcmp(other->rec.name, vm->rec.name) > 0) {
			TAILQ_INSERT_BEFORE(other, vm, next);
			return;
		}
	TAILQ_INSERT_TAIL(&vms->list, vm, next);
}

static void drop(struct vms *vms, struct vm *vm)
{
	vms->n--;
	uids_give_back(&vms->uids, (uid_t)vm->rec.uid);
	TAILQ_REMOVE(&vms->list, vm, next);
	vm_close(vm);
	govern_left(&vms->govern);
}

static struct vms_bad *find_bad(struct vms *vms, const char *name)
{
	struct vms_bad *b;

	for (b = TAILQ_FIRST(&vms->bad); b; b = TAILQ_NEXT(b, next))
		if (strcmp(b->name, name) == 0)
			return b;
	return NULL;
}

struct budget vms_budget(const struct vms *vms, const struct vm *without)
{
	struct budget b = { .limit = vms->budget_limit };
	const struct vm *vm;

	for (vm = TAILQ_FIRST(&vms->list); vm; vm = TAILQ_NEXT(vm, next))
		if (vm != without)
			budget_add(&b, &vm->rec);
	return b;
}

/* -- errands -- */

static int begin(struct vms *vms, struct vm *vm, const struct vms_asker *asker,
		 void (*end)(void *, struct vm *, int, const struct hy_err *), struct hy_err *e)
{
	struct errand *errand;

	if (vm->waits)
		return hy_err_set(e, EBUSY, "vm '%s'", vm->rec.name);
	errand = malloc(sizeof(*errand));
	if (!errand)
		return hy_err_set(e, ENOMEM, "vm '%s'", vm->rec.name);
	*errand = (struct errand){ .vms = vms, .asker = *asker };
	vm->waits = end;
	vm->waiter = errand;
	return 0;
}

static void end_errand(struct errand *errand, struct vm *vm, int rc, const struct hy_err *e)
{
	struct errand copy = *errand;

	free(errand);
	copy.asker.done(copy.asker.object, vm, rc, e);
}

/* It could not even begin. */
static int forget(struct vm *vm, int rc)
{
	vm->waits = NULL;
	free(vm->waiter);
	return rc;
}

/* -- records -- */

static int save_record(const struct vms *vms, const struct record *r, struct hy_err *e)
{
	if (hy_fault(FAULT_VM_RECORD) < 0)
		return hy_err_set(e, EIO, "a fault step");
	return record_save(&vms->records, r, e);
}

static int remove_record(const struct vms *vms, const char *name, struct hy_err *e)
{
	if (hy_fault(FAULT_VM_RECORD) < 0)
		return hy_err_set(e, EIO, "a fault step");
	return record_remove(&vms->records, name, e);
}

/* -- add -- */

static void log_vm(const struct vms *vms, const struct vm *vm, const struct hy_err *told,
		   const char *what)
{
	struct hy_err e = *told;

	hy_err_add(&e, "vm '%s': %s", vm->rec.name, what);
	hy_log_err(vms->host.log, HY_LOG_WARN, &e);
}

static void taken_back(void *object, struct vm *vm, int rc, const struct hy_err *e)
{
	struct errand *errand = object;
	struct vms *vms = errand->vms;

	if (rc < 0)
		log_vm(vms, vm, e, "stays until the next start");
	free(errand);
	drop(vms, vm);
}

static void added(void *object, struct vm *vm, int rc, const struct hy_err *told)
{
	struct errand *errand = object;
	struct vms *vms = errand->vms;
	struct hy_err e = *told;

	if (rc == 0)
		rc = save_record(vms, &vm->rec, &e);
	if (rc == 0) {
		end_errand(errand, vm, 0, NULL);
		return;
	}
	hy_err_add(&e, "vm '%s'", vm->rec.name);
	end_errand(errand, NULL, rc, &e);
	if (vm->life.state == LIFE_ABSENT) {
		drop(vms, vm);
		return;
	}
	/* all is there but the record, or would not go: nobody knows of it, so it goes */
	if (begin(vms, vm, &(struct vms_asker){ 0 }, taken_back, NULL) == 0 &&
	    vm_unmake(vm, true, NULL) < 0)
		forget(vm, 0);
}

enum record_export vms_export(const struct vms *vms, const struct record *rec)
{
	const struct host *h = &vms->host;

	/* one that was named is wanted */
	if (h->virtiofsd || h->config.virtiofsd[0] || record_least(rec) < rec->size)
		return RECORD_EXPORT_VIRTIOFS;
	hy_log(h->log, HY_LOG_WARN, "vm '%s': there is no virtiofsd, so its QEMU is to export the "
	       "share over 9p", rec->name);
	return RECORD_EXPORT_9P;
}

int vms_add(struct vms *vms, struct record *rec, const struct vms_asker *asker, struct hy_err *e)
{
	struct vm *vm;
	uid_t uid;
	int rc;

	if (vms->stop)
		return hy_err_set(e, EBUSY, "hylicsd is stopping");
	if (vms_find(vms, rec->name, NULL) || find_bad(vms, rec->name))
		return hy_err_set(e, EEXIST, "vm '%s'", rec->name);
	if (vms->n >= HY_VMS_MAX)
		return hy_err_set(e, ENOSPC, "vm '%s': there are %u", rec->name, vms->n);
	rc = uids_lowest(&vms->uids, &uid, e);
	if (rc < 0)
		return rc;
	rec->uid = (int64_t)uid;
	rc = vms_check(vms, rec, NULL, e);
	vm = rc < 0 ? NULL : vm_open(&vms->host, rec, e);
	if (!vm)
		return rc < 0 ? rc : -e->num;
	insert(vms, vm);
	govern_enter(vm);
	rc = begin(vms, vm, asker, added, e);
	if (rc == 0)
		rc = vm_make(vm, true, e);
	if (rc < 0)
		drop(vms, vm);
	return rc;
}

/* -- set -- */

static void was_set(void *object, struct vm *vm, int rc, const struct hy_err *told)
{
	struct hy_err e = *told;

	if (rc < 0)
		hy_err_add(&e, "vm '%s': written down, but not in force yet (tried again)",
			   vm->rec.name);
	end_errand(object, vm, rc, &e);
}

static int may_change(const struct vm *vm, struct hy_err *e)
{
	if (!vm->waits && vm->life.state != LIFE_MAKING && vm->life.state != LIFE_UNMAKING)
		return 0;
	return hy_err_set(e, EBUSY, "vm '%s': another change is under way", vm->rec.name);
}

int vms_set(struct vms *vms, struct vm *vm, struct record *rec, const struct vms_asker *asker,
	    struct hy_err *e)
{
	const struct record was = vm->rec;
	int rc = may_change(vm, e);

	if (rc == 0)
		rc = vms_check(vms, rec, vm, e);
	if (rc == 0)
		rc = begin(vms, vm, asker, was_set, e);
	if (rc < 0)
		return rc;
	rc = save_record(vms, rec, e);
	if (rc < 0)
		return forget(vm, rc);
	if (rec->offload && !vm->rec.offload)
		vm->draining = false;
	vm->rec = *rec;
	govern_set(vm, &was);
	(void)vm_tell_keeper(vm, NULL);		/* even if a piece before the keeper fails */
	rc = vm_make(vm, false, e);
	return rc < 0 ? forget(vm, rc) : 0;
}

int vms_drain(struct vms *vms, struct vm *vm, struct hy_err *e)
{
	bool was = vm->draining;
	int rc;

	vm->draining = true;
	rc = vm_tell_keeper(vm, e);
	if (rc < 0)
		vm->draining = was;
	else
		vms->host.changed(vms->host.object, vm);
	return rc;
}

/* -- remove -- */

static void removed(void *object, struct vm *vm, int rc, const struct hy_err *told)
{
	struct errand *errand = object;
	struct vms *vms = errand->vms;
	struct hy_err e = *told;

	if (rc == 0)
		rc = remove_record(vms, vm->rec.name, &e);
	if (rc < 0) {
		hy_err_add(&e, "vm '%s': is not removed", vm->rec.name);
		if (vm->life.state == LIFE_ABSENT)
			vm_make(vm, false, NULL);
		end_errand(errand, vm, rc, &e);
		return;
	}
	drop(vms, vm);
	end_errand(errand, NULL, 0, NULL);
}

int vms_remove(struct vms *vms, struct vm *vm, bool force, const struct vms_asker *asker,
	       struct hy_err *e)
{
	int rc = may_change(vm, e);

	if (rc == 0)
		rc = begin(vms, vm, asker, removed, e);
	if (rc < 0)
		return rc;
	rc = vm_unmake(vm, force, e);
	return rc < 0 ? forget(vm, rc) : 0;
}

/* -- stop -- */

static bool is_busy(const struct vms *vms)
{
	const struct vm *vm;

	for (vm = TAILQ_FIRST(&vms->list); vm; vm = TAILQ_NEXT(vm, next))
		if (vm->life.state == LIFE_MAKING || vm->life.state == LIFE_UNMAKING)
			return true;
	return false;
}

/* Whether a share may be there that has content in swap. */
static bool needs_swap(const struct vms *vms, bool at_start)
{
	const struct vm *vm;

	for (vm = TAILQ_FIRST(&vms->list); vm; vm = TAILQ_NEXT(vm, next))
		if (vms_beyond_memory(&vm->rec) && (at_start || vm->life.state != LIFE_ABSENT))
			return true;
	return !TAILQ_EMPTY(&vms->bad);
}

static void gone(struct vms *vms)
{
	if (needs_swap(vms, false) || !swap_tier_end(&vms->swap))
		vms->all_gone(vms->object);
}

static void went(void *object, struct vm *vm, int rc, const struct hy_err *e)
{
	struct errand *errand = object;

	if (rc < 0)
		log_vm(errand->vms, vm, e, "stays");
	free(errand);
}

static void stop_one(struct vms *vms, struct vm *vm)
{
	struct hy_err e = { 0 };
	int rc = begin(vms, vm, &(struct vms_asker){ 0 }, went, &e);

	if (rc == 0) {
		rc = vm_unmake(vm, false, &e);
		if (rc < 0)
			forget(vm, rc);
	}
	if (rc < 0)
		log_vm(vms, vm, &e, "left to the next hylicsd");
}

/* Those for whom something else was under way go when that is over. */
static void stop_more(struct vms *vms)
{
	struct vm *vm, *next;

	vms->stop = VMS_STOP_LOOKS;
	for (vm = TAILQ_FIRST(&vms->list); vm; vm = next) {
		next = TAILQ_NEXT(vm, next);
		if (vm->told_to_go || may_change(vm, NULL) < 0)
			continue;
		vm->told_to_go = true;
		stop_one(vms, vm);
	}
	vms->stop = is_busy(vms) ? VMS_STOP_WAITS : VMS_STOP_DONE;
	if (vms->stop == VMS_STOP_DONE)
		gone(vms);
}

static void one_settled(struct host *host)
{
	struct vms *vms = host->govern->vms;

	if (vms->stop == VMS_STOP_WAITS)
		stop_more(vms);
}

void vms_stop(struct vms *vms)
{
	if (vms->stop == VMS_STOP_NOT)
		stop_more(vms);
	else
		vms->all_gone(vms->object);	/* asked twice: does not wait */
}

/* -- start -- */

static void take_good(void *object, const struct record *r)
{
	struct vms *vms = object;
	struct hy_err e = { 0 };
	struct vm *vm = vm_open(&vms->host, r, &e);

	if (!vm) {
		hy_log_err(vms->host.log, HY_LOG_ERR, &e);
		return;
	}
	insert(vms, vm);
	govern_enter(vm);
}

static void take_bad(void *object, const char *name, const struct hy_err *e)
{
	struct vms *vms = object;
	struct vms_bad *b;

	hy_log_err(vms->host.log, HY_LOG_ERR, e);
	if (!hy_name_valid(name) || !(b = calloc(1, sizeof(*b))))
		return;
	memcpy(b->name, name, strlen(name));	/* a valid one fits */
	b->why = *e;
	TAILQ_INSERT_TAIL(&vms->bad, b, next);
}

static void take_bad_uid(void *object, uid_t uid)
{
	struct vms *vms = object;

	uids_take(&vms->uids, uid);
}

static const struct record_ops record_ops = { take_good, take_bad, take_bad_uid };

/* Somebody's that nobody knows. */
static void sweep_one(struct vms *vms, const char *name)
{
	struct hy_err e = { 0 };
	struct record rec;
	struct vm *vm;

	if (!hy_name_valid(name) || vms_find(vms, name, NULL) || find_bad(vms, name) ||
	    record_init(&rec, name, NULL) < 0)
		return;
	vm = vm_open(&vms->host, &rec, &e);
	if (!vm)
		return;
	hy_log(vms->host.log, HY_LOG_INFO, "vm '%s' has no record: what is left of it goes", name);
	insert(vms, vm);
	if (begin(vms, vm, &(struct vms_asker){ 0 }, taken_back, &e) < 0 ||
	    vm_unmake(vm, true, &e) < 0)
		hy_log_err(vms->host.log, HY_LOG_WARN, &e);
}

static void sweep_group(int dir, const char *name, void *object)
{
	(void)dir;
	sweep_one(object, name);
}

static int sweep(struct vms *vms, struct hy_err *e)
{
	int fd = openat(vms->host.vms, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return hy_err_set(e, errno, "'%s/vm'", vms->host.config.run_dir);
	}
	while ((entry = readdir(d)) != NULL)
		sweep_one(vms, entry->d_name);
	closedir(d);
	return cgroup_each(&vms->host.cgroups, sweep_group, vms, e);
}

static void make_all(struct vms *vms)
{
	struct vm *vm;

	for (vm = TAILQ_FIRST(&vms->list); vm; vm = TAILQ_NEXT(vm, next))
		if (!vm->waits)
			vm_make(vm, false, NULL);
}

static void swap_settled(void *object)
{
	struct vms *vms = object;

	if (vms->stop)
		vms->all_gone(vms->object);
	else
		make_all(vms);
}

/* What is loaded into a share may need swap at once, so that comes first. */
static void begin_making(struct vms *vms)
{
	vms->swap = (struct swap_tier){ .loop = vms->host.loop, .log = vms->host.log,
					.config = &vms->host.config, .settled = swap_settled,
					.object = vms };
	if (!swap_tier_open(&vms->swap, needs_swap(vms, true)))
		make_all(vms);
}

static int open_dirs(struct vms *vms, struct hy_err *e)
{
	const struct config *c = &vms->host.config;
	hy_autofd run = open(c->run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (run < 0)
		return hy_err_set(e, errno, "'%s'", c->run_dir);
	if (mkdirat(run, "vm", RUN_MODE) < 0 && errno != EEXIST)
		return hy_err_set(e, errno, "'%s/vm'", c->run_dir);
	vms->host.vms = openat(run, "vm", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (vms->host.vms < 0)
		return hy_err_set(e, errno, "'%s/vm'", c->run_dir);
	return record_dir_open(&vms->records, c->vms_dir, e);
}

static uint64_t machine_memory(void)
{
	struct sysinfo info;

	return sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
}

static void find_virtiofsd(struct host *h)
{
	if (h->config.virtiofsd[0])
		h->virtiofsd = virtiofsd_named(h->config.virtiofsd, &h->no_virtiofsd);
	else
		h->virtiofsd = virtiofsd_find(virtiofsd_places, &h->no_virtiofsd);
	if (!h->virtiofsd)
		hy_log_err(h->log, HY_LOG_WARN, &h->no_virtiofsd);
}

int vms_open(struct vms *vms, struct hy_err *e)
{
	const struct config *c = &vms->host.config;
	int rc;

	TAILQ_INIT(&vms->list);
	TAILQ_INIT(&vms->bad);
	vms->host.vms = vms->records.fd = -1;
	vms->host.settled = one_settled;
	govern_open(&vms->govern, vms);
	uids_open(&vms->uids, &c->uids);
	vms->budget_limit = budget_limit(&c->budget, machine_memory());
	find_virtiofsd(&vms->host);
	rc = open_dirs(vms, e);
	if (rc == 0)
		rc = cgroup_open(&vms->host.cgroups, c->cgroup, e);
	if (rc == 0)
		rc = record_load_all(&vms->records, &record_ops, vms, e);
	if (rc == 0)
		rc = sweep(vms, e);
	if (rc == 0)
		begin_making(vms);
	return rc;
}

void vms_close(struct vms *vms)
{
	struct vms_bad *b;
	struct vm *vm;

	while ((vm = TAILQ_FIRST(&vms->list)) != NULL) {
		free(vm->waits ? vm->waiter : NULL);
		drop(vms, vm);
	}
	while ((b = TAILQ_FIRST(&vms->bad)) != NULL) {
		TAILQ_REMOVE(&vms->bad, b, next);
		free(b);
	}
	govern_close(&vms->govern);
	swap_tier_close(&vms->swap);
	cgroup_close(&vms->host.cgroups);
	record_dir_close(&vms->records);
	hy_fd_close(&vms->host.vms);
	hy_mem_free(&vms->host.virtiofsd);
}
