/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * govern.c - the memory of all VMs with control=dynamic: decided, divided, told to their tenders
 *
 * Runs in: hylicsd
 * Reads from: workers' counters (guests' words), by decide.h; what tenders tell
 */
#include "hylicsd/govern.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/own.h"
#include "common/whole.h"
#include "hylicsd/told.h"
#include "hylicsd/vm_keeper.h"
#include "hylicsd/vms.h"

#define RESERVE_MS 60000	/* what others give back is kept so long for whom it is */
#define MB (UINT64_C(1) << 20)

static bool is_dynamic(const struct vm *vm)
{
	return vm->rec.control == RECORD_CONTROL_DYNAMIC;
}

/* -- what is in force -- */

/*
 * Written down for the next hylicsd: the cgroup says less if this one is killed in the middle of a
 * squeeze.
 */
static void set_in_force(struct vm *vm, uint64_t bytes)
{
	char text[32];
	struct hy_err e = { 0 };

	if (vm->memory.in_force == bytes)
		return;
	vm->memory.in_force = bytes;
	snprintf(text, sizeof(text), "%" PRIu64 "\n", bytes);
	if (vm->dir >= 0 && hy_whole_write(vm->dir, VM_IN_FORCE, text, &e) < 0)
		hy_log_err(vm->host->log, HY_LOG_WARN, &e);
}

/* As the last hylicsd knew it; 0: it did not say. */
static uint64_t in_force_before(struct vm *vm)
{
	char text[32] = "";
	hy_autofd fd = -1;

	if (vm_find_dir(vm, NULL) < 0)
		return 0;
	fd = openat(vm->dir, VM_IN_FORCE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 ? strtoull(text, NULL, 10) : 0;
}

/* -- what everybody has -- */

/* Of the budget, with what is beside files. */
static uint64_t held_by(const struct vm *vm)
{
	const struct govern_vm *m = &vm->memory;
	uint64_t held = m->in_force > m->told ? m->in_force : m->told;
	uint64_t need = budget_need(&vm->rec);

	if (is_dynamic(vm))
		return held + HY_VM_OVERHEAD;
	return m->before > need ? m->before : need;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* What is left of the budget, were @without not there. */
static uint64_t left_by_all(const struct govern *g, const struct vm *without)
{
	uint64_t held = 0;
	const struct vm *vm;

	for (vm = TAILQ_FIRST(&g->vms->list); vm; vm = TAILQ_NEXT(vm, next))
		if (vm != without)
			held = sum(held, held_by(vm));
	return g->vms->budget_limit > held ? g->vms->budget_limit - held : 0;
}

/* For files of dynamic VMs. */
static uint64_t to_divide(const struct govern *g)
{
	uint64_t other = g->reserved;
	const struct vm *vm;

	for (vm = TAILQ_FIRST(&g->vms->list); vm; vm = TAILQ_NEXT(vm, next))
		other = sum(other, is_dynamic(vm) ? HY_VM_OVERHEAD : held_by(vm));
	return g->vms->budget_limit > other ? g->vms->budget_limit - other : 0;
}

/* -- dividing -- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Of one that is not controlled yet its record alone is known, and what it was told. */
static struct handout claim_of(const struct vm *vm)
{
	const struct govern_vm *m = &vm->memory;
	uint64_t floor = record_memory_min(&vm->rec), ceiling = record_memory(&vm->rec);

	return (struct handout){ .floor = floor, .want = least(m->decide.wanted, ceiling),
				 .weight = (uint32_t)vm->rec.weight, .in_force = m->in_force,
				 .told = m->told };
}

static unsigned int collect(struct govern *g)
{
	unsigned int n = 0;
	struct vm *vm;

	for (vm = TAILQ_FIRST(&g->vms->list); vm && n < HY_VMS_MAX; vm = TAILQ_NEXT(vm, next)) {
		if (!is_dynamic(vm))
			continue;
		g->vm[n] = vm;
		g->at[n++] = claim_of(vm);
	}
	return n;
}

static void tell(struct vm *vm, uint64_t bytes)
{
	if (vm->memory.told == bytes)
		return;
	vm->memory.told = bytes;
	tend_set(vm, bytes, vm->rec.idle_ms);
}

/* Those who get less first: where that holds at once, the others have it in the same go. */
static void divide(struct govern *g)
{
	g->busy = true;
	if (g->reserved && hy_clock_ms() >= g->reserved_until_ms)
		g->reserved = 0;
	for (unsigned int pass = 0; pass < 2; pass++) {
		unsigned int n = collect(g);

		handout_divide(g->at, g->room, n, to_divide(g));
		for (unsigned int i = 0; i < n; i++) {
			g->vm[i]->memory.given = g->at[i].given;
			if (pass || g->at[i].told < g->vm[i]->memory.told)
				tell(g->vm[i], g->at[i].told);
		}
	}
	g->busy = g->look = false;
}

/* -- time -- */

static void set_timer(struct govern *g)
{
	uint64_t now = hy_clock_ms(), next = UINT64_MAX;
	const struct vm *vm;

	for (vm = TAILQ_FIRST(&g->vms->list); vm; vm = TAILQ_NEXT(vm, next))
		if (vm->memory.decide.on)
			next = least(next, vm->memory.decide.due_ms);
	if (g->reserved)
		next = least(next, g->reserved_until_ms);
	if (g->look)
		next = now;
	if (next == UINT64_MAX)
		ev_timer_cancel(g->vms->host.loop, &g->timer);
	else
		ev_timer_set(g->vms->host.loop, &g->timer, next > now ? next - now : 0);
}

static void divide_and_go_on(struct govern *g)
{
	divide(g);
	set_timer(g);
}

/* -- a decision -- */

/* Of a worker that has ended the last words are still there. */
static json_t *counters_of(const struct vm *vm)
{
	return proc_runs(&vm->keeper) ? told_json(vm, VM_STATS) : NULL;
}

static void ask(struct vm *vm, uint64_t now)
{
	struct govern_vm *m = &vm->memory;
	json_t *counters = counters_of(vm);

	decide_now(&m->decide, counters, m->in_force, now);
	json_decref(counters);
	m->decided = true;
}

/* A guest at rest would say every half minute that it is. */
static bool is_news(struct govern_vm *m)
{
	const struct decide *d = &m->decide;
	bool is_new = d->decisions == 1 || m->logged.reason != d->law.reason ||
		      m->logged.wanted != d->wanted || m->logged.given != m->given;

	m->logged.reason = d->law.reason;
	m->logged.wanted = d->wanted;
	m->logged.given = m->given;
	return is_new;
}

static void log_decision(struct vm *vm)
{
	struct govern_vm *m = &vm->memory;
	const struct decide *d = &m->decide;

	hy_log(vm->host->log, is_news(m) ? HY_LOG_INFO : HY_LOG_DEBUG,
	       "vm '%s': memory %lluM (from %lluM to %lluM), wants %lluM, is given %lluM: "
	       "response %.3f s of %llu jobs, wanted %.3f s: %s",
	       vm->rec.name, (unsigned long long)(m->in_force / MB),
	       (unsigned long long)(d->floor / MB), (unsigned long long)(d->ceiling / MB),
	       (unsigned long long)(d->wanted / MB), (unsigned long long)(m->given / MB),
	       d->seen.response_s, (unsigned long long)d->seen.jobs,
	       (double)vm->rec.slo_ms / 1000, decide_reason(d));
}

static void tell_of_decisions(struct govern *g)
{
	struct vm *vm;

	for (vm = TAILQ_FIRST(&g->vms->list); vm; vm = TAILQ_NEXT(vm, next)) {
		if (!vm->memory.decided)
			continue;
		vm->memory.decided = false;
		log_decision(vm);
		if (vm->host->decided)
			vm->host->decided(vm->host->object, vm);
	}
}

static void start_tender(struct vm *vm);

static void on_time(void *object)
{
	struct govern *g = object;
	uint64_t now = hy_clock_ms();
	struct vm *vm;

	for (vm = TAILQ_FIRST(&g->vms->list); vm; vm = TAILQ_NEXT(vm, next)) {
		if (!vm->memory.decide.on || vm->memory.decide.due_ms > now)
			continue;
		ask(vm, now);
		if (!vm->tend.board && vm->life.state == LIFE_READY)
			start_tender(vm);	/* it could not be started */
	}
	divide(g);
	tell_of_decisions(g);
	set_timer(g);
}

/* -- tenders -- */

static void limit_changed(void *object)
{
	static struct tend_report r;		/* large; one loop */
	struct vm *vm = object;
	struct govern *g = vm->host->govern;

	if (!tend_report(vm, &r) || !r.limit_bytes)
		return;				/* what was in force is */
	set_in_force(vm, r.limit_bytes);
	if (g->busy)
		return;
	g->look = true;
	set_timer(g);
}

static void start_tender(struct vm *vm)
{
	struct hy_err e = { 0 };

	vm->tend.changed = limit_changed;
	vm->tend.object = vm;
	if (tend_start(vm, vm->memory.told, vm->rec.idle_ms, &e) == 0)
		return;
	hy_err_add(&e, "vm '%s': its memory stays as it is", vm->rec.name);
	hy_log_err(vm->host->log, HY_LOG_WARN, &e);
}

static void begin(struct vm *vm)
{
	struct govern *g = vm->host->govern;
	struct govern_vm *m = &vm->memory;
	uint64_t now = hy_clock_ms();
	bool was_on = m->decide.on;

	decide_begin(&m->decide, &vm->rec, m->in_force, now, vm->host->log);
	if (!was_on) {
		json_t *counters = counters_of(vm);

		decide_look(&m->decide, counters, now);
		json_decref(counters);
	}
	if (!vm->tend.board) {
		g->busy = true;
		start_tender(vm);
		g->busy = false;
	}
	divide_and_go_on(g);
}

static void end(struct vm *vm)
{
	tend_stop(vm);
	vm->memory.decide = (struct decide){ 0 };
}

/* -- VMs come, change and go -- */

void govern_open(struct govern *g, struct vms *vms)
{
	g->vms = vms;
	g->timer = (struct ev_timer){ .fn = on_time, .object = g };
	vms->host.govern = g;
}

void govern_close(struct govern *g)
{
	if (g->vms)
		ev_timer_cancel(g->vms->host.loop, &g->timer);
}

/* Nothing is in force: it waits for its floor, and would like all. */
static void be_fresh(struct vm *vm)
{
	struct govern_vm *m = &vm->memory;

	m->is_fresh = true;
	m->in_force = 0;
	m->told = record_memory_min(&vm->rec);
	m->decide.wanted = record_memory(&vm->rec);
}

/* What another hylicsd, or another record, has left in force. */
static void take_over(struct vm *vm, uint64_t limit)
{
	struct govern_vm *m = &vm->memory;

	m->is_fresh = false;
	set_in_force(vm, limit > HY_VM_OVERHEAD ? limit - HY_VM_OVERHEAD : 0);
	m->told = least(m->in_force, record_memory(&vm->rec));
	m->decide.wanted = m->told;
}

void govern_enter(struct vm *vm)
{
	struct cgroup_usage u = { .limit_bytes = CGROUP_NO_LIMIT };
	uint64_t known = 0;

	vm->host->govern->reserved = 0;		/* it was for this one */
	be_fresh(vm);
	if (cgroup_usage(&vm->host->cgroups, vm->rec.name, &u, NULL) < 0 ||
	    u.limit_bytes == CGROUP_NO_LIMIT)
		return;
	vm->memory.before = u.limit_bytes;
	if (is_dynamic(vm))
		known = in_force_before(vm) + HY_VM_OVERHEAD;
	take_over(vm, known > u.limit_bytes ? known : u.limit_bytes);
}

void govern_left(struct govern *g)
{
	g->look = true;
	set_timer(g);
}

int govern_room(struct govern *g, const struct record *r, const struct vm *own, struct hy_err *e)
{
	uint64_t need = budget_need(r);

	if (own && r->control == RECORD_CONTROL_DYNAMIC)
		return 0;			/* it gets what there is, when there is */
	if (need <= left_by_all(g, own))
		return 0;
	g->reserved = own ? need - least(need, held_by(own)) : need;
	g->reserved_until_ms = hy_clock_ms() + RESERVE_MS;
	divide_and_go_on(g);
	if (need <= left_by_all(g, own))
		return 0;
	return hy_err_set(e, EAGAIN, "'%s': other VMs are giving back the memory for it "
			  "('hylics vm list' shows who has how much)", r->name);
}

void govern_set(struct vm *vm, const struct record *was)
{
	struct govern *g = vm->host->govern;
	struct govern_vm *m = &vm->memory;
	bool was_dynamic = was->control == RECORD_CONTROL_DYNAMIC;
	uint64_t before;

	g->reserved = 0;			/* it was for this one, or is asked for again */
	if (!is_dynamic(vm)) {
		before = was_dynamic ? m->in_force + HY_VM_OVERHEAD : budget_need(was);
		m->before = before > m->before ? before : m->before;
		if (was_dynamic)
			end(vm);
	} else if (!was_dynamic) {
		take_over(vm, m->before > budget_need(was) ? m->before : budget_need(was));
	}
	if (is_dynamic(vm) && vm->tend.board) {
		tend_set(vm, m->told, vm->rec.idle_ms);
		begin(vm);
	}
}

void govern_state(struct vm *vm)
{
	struct govern_vm *m = &vm->memory;

	if (vm->life.state == LIFE_READY) {
		m->before = 0;
		if (is_dynamic(vm) && !(m->decide.on && vm->tend.board))
			begin(vm);
	} else if (vm->life.state == LIFE_ABSENT) {
		end(vm);
		be_fresh(vm);
	}
	if (!is_dynamic(vm))
		divide_and_go_on(vm->host->govern);	/* it may have left something */
}

uint64_t govern_limit(struct vm *vm, const struct cgroup_usage *u)
{
	struct govern *g = vm->host->govern;
	struct govern_vm *m = &vm->memory;

	if (!is_dynamic(vm))
		return budget_need(&vm->rec);
	if (u->limit_bytes != CGROUP_NO_LIMIT)
		return 0;
	be_fresh(vm);
	divide_and_go_on(g);
	set_in_force(vm, m->told);
	m->is_fresh = false;
	return m->told + HY_VM_OVERHEAD;
}
