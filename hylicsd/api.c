/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api.c - what the API can be asked, and its answers
 *
 * Runs in: hylicsd
 * Reads from: clients of the API, checked by their routes; RUN/vm/NAME/worker.json, which a worker
 * writes that may have been taken over; modules.json there, with words of modules
 */
#include "hylicsd/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/own.h"
#include "hylicsd/guest.h"
#include "hylicsd/memory.h"
#include "conf/module.h"
#include "hylicsd/module_states.h"
#include "hylicsd/share.h"
#include "hylicsd/swap.h"
#include "hylicsd/tend_json.h"
#include "hylicsd/told.h"
#include "hylicsd/vm_keeper.h"
#include "hylicsd/why.h"
#include "hylicsd/wish.h"
#include "version.h"

struct on_wish {
	bool on;
};

static const struct take_member offload_members[] = {
	{ .name = "on", .type = TAKE_BOOL, .offset = offsetof(struct on_wish, on),
	  .required = true },
	{ .name = NULL }
};

struct pages_wish {
	const char *to;
	struct take_list paths;
};

static const struct take_member pages_members[] = {
	{ .name = "to", .type = TAKE_STRING, .offset = offsetof(struct pages_wish, to),
	  .min = 2, .max = 3, .required = true },
	{ .name = "paths", .type = TAKE_LIST, .offset = offsetof(struct pages_wish, paths),
	  .min = 1, .max = HY_PAGES_FILES_MAX, .required = true },
	{ .name = NULL }
};

/* -- what a VM looks like -- */

static json_t *nics_json(const struct record *r)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < r->n_nics; i++)
		json_array_append_new(list, json_string(r->nic[i]));
	return list;
}

static json_t *modules_json(const struct record *r)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < r->n_modules; i++)
		json_array_append_new(list, json_string(r->module[i]));
	return list;
}

static json_t *record_json(const struct record *r)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:b, s:s, s:s, s:o, s:o}",
			 "name", r->name, "uid", (json_int_t)r->uid, "size", (json_int_t)r->size,
			 "memory", (json_int_t)record_memory(r),
			 "inodes", (json_int_t)record_inodes(r),
			 "cache", record_cache_words[r->cache],
			 "export", record_export_words[r->export],
			 "offload", r->offload, "keep", r->keep, "domain", r->domain,
			 "nics", nics_json(r), "modules", modules_json(r));
}

static void add_number(json_t *o, const char *name, uint64_t n)
{
	json_object_set_new(o, name, json_integer((json_int_t)n));
}

/* What it takes now; what cannot be read is left out. */
static void add_use(json_t *o, const struct vm *vm)
{
	struct cgroup_usage u;
	struct share_usage s;

	if (vm->dir >= 0 && share_find(vm->dir, "share", &s, NULL) == 0) {
		add_number(o, "used", s.used_bytes);
		add_number(o, "used_inodes", s.used_inodes);
	}
	if (cgroup_usage(&vm->host->cgroups, vm->rec.name, &u, NULL) == 0) {
		add_number(o, "resident", u.memory_bytes);
		add_number(o, "swapped", u.swap_bytes);
		add_number(o, "cpu_ns", u.cpu_ns);
	}
}

/*
 * How many connections are at the host: not known before the worker has heard what holds now. It
 * may lie, which is its own guest's loss.
 */
static void add_away(json_t *o, const struct vm *vm)
{
	json_t *c = told_json(vm, VM_STATS);
	json_t *live = json_object_get(c, "live"), *coming = json_object_get(c, "coming");
	json_t *moving = json_object_get(c, "moving");

	if (json_is_integer(live) && json_is_integer(coming) && json_is_integer(moving) &&
	    json_integer_value(moving) == vm_moving(vm))
		add_number(o, "away", (uint64_t)json_integer_value(live) +
			   (uint64_t)json_integer_value(coming));
	json_decref(c);
}

static void add_state(json_t *o, const struct vm *vm)
{
	const char *piece = life_piece_name(&vm->life);
	char why[HY_ERR_MESSAGE_MAX];

	json_object_set_new(o, "state", json_string(life_state_name(vm->life.state)));
	if (piece)
		json_object_set_new(o, "piece", json_string(piece));
	if (vm->life.state == LIFE_DEGRADED) {
		hy_err_message(&vm->life.why, why);
		json_object_set_new(o, "why", json_string(why));
	}
	/* who has opened the share's directory, nobody tells us */
	if (vm->rec.export == RECORD_EXPORT_VIRTIOFS)
		json_object_set_new(o, "guest", json_boolean(export_serves(&vm->export)));
	json_object_set_new(o, "draining", json_boolean(vm_moving(vm) == HY_MOVING_DRAIN));
}

static json_t *vm_json(const struct vm *vm)
{
	json_t *o = record_json(&vm->rec);

	add_state(o, vm);
	json_object_set_new(o, "control", memory_json(vm));
	add_use(o, vm);
	add_away(o, vm);
	json_object_set_new(o, "share", json_string(vm->share_path));
	if (vm->rec.export == RECORD_EXPORT_VIRTIOFS)
		json_object_set_new(o, "virtiofs", json_string(vm->socket_path));
	json_object_set_new(o, "channel", json_sprintf("%s/channel.sock", vm->path));
	return o;
}

void api_vm_changed(struct api *a, const struct vm *vm)
{
	json_t *o = json_pack("{s:s}", "name", vm->rec.name);

	add_state(o, vm);
	http_event_send(a->http, "vm", o);
}

void api_vm_decided(struct api *a, const struct vm *vm)
{
	http_event_send(a->http, "memory", json_pack("{s:s, s:o}", "name", vm->rec.name, "control",
						     memory_json(vm)));
}

/* -- answers that come later -- */

struct later {
	struct api *api;
	struct http_ref ref;
	unsigned int status;
};

static void answer(void *object, struct vm *vm, int rc, const struct hy_err *e)
{
	struct later *l = object;

	if (rc < 0)
		http_fail(l->api->http, l->ref, e);
	else
		http_reply(l->api->http, l->ref, l->status, vm ? vm_json(vm) : NULL);
	free(l);
}

static int later(struct api *a, const struct http_request *r, unsigned int status,
		 struct vms_asker *asker, struct hy_err *e)
{
	struct later *l = malloc(sizeof(*l));

	if (!l)
		return hy_err_set(e, ENOMEM, "a late answer");
	*l = (struct later){ .api = a, .ref = r->ref, .status = status };
	*asker = (struct vms_asker){ .done = answer, .object = l };
	return 0;
}

/* What could not begin is answered by its return value. */
static int begun(struct vms_asker *asker, int rc)
{
	if (rc < 0)
		free(asker->object);
	return rc;
}

/* -- routes -- */

static void add_swap_file(json_t *o, const struct vms *vms)
{
	char why[HY_ERR_MESSAGE_MAX];

	if (vms->swap.state == SWAP_TIER_ON)
		json_object_set_new(o, "swap_file", json_string(vms->host.config.swap_file));
	if (vms->swap.state != SWAP_TIER_FAILED)
		return;
	hy_err_message(&vms->swap.why, why);
	json_object_set_new(o, "swap_why", json_string(why));
}

static int get_host(void *object, const struct http_request *r, struct hy_err *e)
{
	struct api *a = object;
	struct budget b = vms_budget(a->vms, NULL);
	uint64_t swap = 0;
	json_t *o;

	(void)e;
	swap_free(&swap, NULL);
	o = json_pack("{s:s, s:i, s:I, s:I, s:I}", "version", HY_VERSION, "vms", (int)a->vms->n,
		      "budget", (json_int_t)b.limit, "budget_used", (json_int_t)b.used,
		      "swap_free", (json_int_t)swap);
	add_swap_file(o, a->vms);
	if (a->vms->host.virtiofsd)
		json_object_set_new(o, "virtiofsd", json_string(a->vms->host.virtiofsd));
	return http_reply(a->http, r->ref, 200, o);
}

static json_t *ports_json(const struct modules_ports *p)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < p->n; i++)
		json_array_append_new(list, json_pack("{s:i, s:i}", "first", p->at[i].first,
						      "last", p->at[i].last));
	return list;
}

static json_t *files_json(const struct module *m)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < m->n_files; i++)
		json_array_append_new(list, json_string(m->file[i]));
	return list;
}

static void add_module(void *object, const struct module *m)
{
	json_array_append_new(object, json_pack("{s:s, s:s, s:o, s:s, s:o, s:I, s:I, s:I}",
		"name", m->name, "command", m->command, "ports", ports_json(&m->ports),
		"folder", m->folder, "files", files_json(m), "memory", (json_int_t)m->memory,
		"tasks", (json_int_t)m->tasks, "descriptors", (json_int_t)m->descriptors));
}

static void add_bad_module(void *object, const char *name, const struct hy_err *why)
{
	char message[HY_ERR_MESSAGE_MAX];

	hy_err_message(why, message);
	json_array_append_new(object, json_pack("{s:s, s:s}", "name", name, "why", message));
}

/* As they are now: nothing is kept that could be old. */
static int get_modules(void *object, const struct http_request *r, struct hy_err *e)
{
	static const struct module_ops ops = { add_module, add_bad_module };
	struct api *a = object;
	json_t *list = json_array();
	int rc = module_read_all(a->vms->host.config.modules_dir, &ops, list, e);

	if (rc == 0)
		return http_reply(a->http, r->ref, 200, json_pack("{s:o}", "modules", list));
	json_decref(list);
	return rc;
}

static json_t *bad_json(const struct vms_bad *b)
{
	return json_pack("{s:s, s:s, s:s}", "name", b->name, "state", "unreadable", "why",
			 b->why.text);
}

static int get_vms(void *object, const struct http_request *r, struct hy_err *e)
{
	struct api *a = object;
	json_t *list = json_array();
	const struct vms_bad *b;
	const struct vm *vm;

	(void)e;
	for (vm = TAILQ_FIRST(&a->vms->list); vm; vm = TAILQ_NEXT(vm, next))
		json_array_append_new(list, vm_json(vm));
	for (b = TAILQ_FIRST(&a->vms->bad); b; b = TAILQ_NEXT(b, next))
		json_array_append_new(list, bad_json(b));
	return http_reply(a->http, r->ref, 200, json_pack("{s:o}", "vms", list));
}

static int post_vm(void *object, const struct http_request *r, struct hy_err *e)
{
	struct api *a = object;
	struct vms_asker asker;
	struct record rec;
	bool is_exported;
	int rc = wish_add(&rec, r->body, a->vms->host.config.modules_dir, &is_exported, e);

	if (rc == 0 && !is_exported)
		rec.export = vms_export(a->vms, &rec);
	if (rc == 0)
		rc = later(a, r, 201, &asker, e);
	return rc < 0 ? rc : begun(&asker, vms_add(a->vms, &rec, &asker, e));
}

/* A killed worker's last words stay in its file. */
static void add_agent(json_t *o, const struct vm *vm)
{
	json_t *counters = proc_runs(&vm->keeper) ? told_json(vm, VM_STATS) : NULL;
	json_t *agent = guest_json(counters);

	json_object_set_new(o, "agent", agent ? agent : json_null());
	json_decref(counters);
}

static void add_files(json_t *o, const struct vm *vm)
{
	json_t *files = tend_json(vm);

	if (files)
		json_object_set_new(o, "files", files);
}

/* With a keeper its modules have ended. */
static void add_module_states(json_t *o, const struct vm *vm)
{
	json_t *from = proc_runs(&vm->keeper) ? told_json(vm, VM_MODULES_STATE) : NULL;
	json_t *states = module_states_json(from);

	json_object_set_new(o, "module_states", states ? states : json_null());
	json_decref(from);
}

static int get_vm(void *object, const struct http_request *r, struct hy_err *e)
{
	struct api *a = object;
	struct vm *vm = vms_find(a->vms, r->param[0], e);
	json_t *o;

	if (!vm)
		return -ENOENT;
	o = vm_json(vm);
	add_agent(o, vm);
	add_module_states(o, vm);
	add_files(o, vm);
	return http_reply(a->http, r->ref, 200, o);
}

static int change(struct api *a, const struct http_request *r, struct vm *vm, struct record *rec,
		  struct hy_err *e)
{
	struct vms_asker asker;
	int rc = later(a, r, 200, &asker, e);

	return rc < 0 ? rc : begun(&asker, vms_set(a->vms, vm, rec, &asker, e));
}

static int patch_vm(void *object, const struct http_request *r, struct hy_err *e)
{
	struct api *a = object;
	struct vm *vm = vms_find(a->vms, r->param[0], e);
	struct record rec;
	int rc;

	if (!vm)
		return -ENOENT;
	rec = vm->rec;
	rc = wish_set(&rec, r->body, a->vms->host.config.modules_dir, e);
	return rc < 0 ? rc : change(a, r, vm, &rec, e);
}

static int delete_vm(void *object, const struct http_request *r, struct hy_err *e)
{
	struct api *a = object;
	struct vm *vm = vms_find(a->vms, r->param[0], e);
	bool by_force = http_query(r, "force") != NULL;
	struct vms_asker asker;
	int rc;

	if (!vm)
		return -ENOENT;
	rc = later(a, r, 204, &asker, e);
	return rc < 0 ? rc : begun(&asker, vms_remove(a->vms, vm, by_force, &asker, e));
}

static json_t *file_json(const struct pages_file *f)
{
	char message[HY_ERR_MESSAGE_MAX];

	if (!f->e.num)
		return json_pack("{s:s, s:I, s:I, s:I}", "path", f->path,
				 "size", (json_int_t)f->after.size_bytes,
				 "before", (json_int_t)f->before.memory_bytes,
				 "after", (json_int_t)f->after.memory_bytes);
	hy_err_message(&f->e, message);
	return json_pack("{s:s, s:{s:s, s:s}}", "path", f->path, "error",
			 "code", hy_err_code(&f->e), "message", message);
}

static void answer_pages(void *object, const struct pages_board *board, int rc,
			 const struct hy_err *e)
{
	struct later *l = object;
	json_t *list = json_array();

	for (unsigned int i = 0; board && i < board->n; i++)
		json_array_append_new(list, file_json(&board->file[i]));
	if (rc < 0)
		http_fail(l->api->http, l->ref, e);
	else
		http_reply(l->api->http, l->ref, l->status, json_pack("{s:O}", "files", list));
	json_decref(list);
	free(l);
}

static int fill_pages(struct pages_board *b, const struct pages_wish *w, struct hy_err *e)
{
	b->in = strcmp(w->to, "in") == 0;
	if (!b->in && strcmp(w->to, "out") != 0)
		return hy_err_usage(e, "to", "to '%s': in or out", w->to);
	for (b->n = 0; b->n < w->paths.n; b->n++) {
		char *path = b->file[b->n].path;

		if (snprintf(path, HY_PATH_MAX + 1, "%s", w->paths.item[b->n]) > HY_PATH_MAX)
			return hy_err_usage(e, "paths", "path '%.64s...': longer than %d bytes",
					    path, HY_PATH_MAX);
	}
	return 0;
}

static int post_pages(void *object, const struct http_request *r, struct hy_err *e)
{
	struct api *a = object;
	struct vm *vm = vms_find(a->vms, r->param[0], e);
	hy_autofree struct pages_board *board = NULL;
	struct pages_wish w = { 0 };
	struct vms_asker asker = { 0 };
	int rc;

	if (!vm)
		return -ENOENT;
	rc = take_object(r->body, pages_members, &w, NULL, e);
	if (rc < 0)
		return rc;
	board = calloc(1, sizeof(*board));
	rc = board ? fill_pages(board, &w, e) : hy_err_set(e, ENOMEM, "pages");
	if (rc == 0)
		rc = later(a, r, 200, &asker, e);
	return rc < 0 ? rc : begun(&asker, vm_pages_start(vm, board, answer_pages, asker.object,
							  e));
}

static int post_offload(void *object, const struct http_request *r, struct hy_err *e)
{
	struct api *a = object;
	struct vm *vm = vms_find(a->vms, r->param[0], e);
	struct on_wish w = { 0 };
	struct record rec;
	bool was;
	int rc;

	if (!vm)
		return -ENOENT;
	rc = take_object(r->body, offload_members, &w, NULL, e);
	if (rc < 0)
		return rc;
	was = vm->draining;
	rec = vm->rec;
	rec.offload = w.on;
	vm->draining = was && !w.on;
	rc = change(a, r, vm, &rec, e);
	if (rc < 0)
		vm->draining = was;
	return rc;
}

static int post_drain(void *object, const struct http_request *r, struct hy_err *e)
{
	struct api *a = object;
	struct vm *vm = vms_find(a->vms, r->param[0], e);
	int rc = vm ? vms_drain(a->vms, vm, e) : -ENOENT;

	return rc < 0 ? rc : http_reply(a->http, r->ref, 200, vm_json(vm));
}

static int get_why(void *object, const struct http_request *r, struct hy_err *e)
{
	struct api *a = object;
	struct vm *vm = vms_find(a->vms, r->param[0], e);
	json_t *counters, *o;

	if (!vm)
		return -ENOENT;
	counters = told_json(vm, VM_STATS);
	o = why_json(counters);
	json_decref(counters);
	return http_reply(a->http, r->ref, 200, o);
}

static int get_events(void *object, const struct http_request *r, struct hy_err *e)
{
	struct api *a = object;

	return http_events_add(a->http, r->ref, e);
}

static const char *const force[] = { "force", NULL };

#define VM "/v1/vms/{name}"

const struct http_route api_routes[] = {
	{ "GET", "/v1/host", HTTP_BODY_NONE, NULL, NULL,
	  "the host: versions, budget, what is missing", get_host },
	{ "GET", "/v1/modules", HTTP_BODY_NONE, NULL, NULL,
	  "servers that guests may have run for them", get_modules },
	{ "GET", "/v1/vms", HTTP_BODY_NONE, NULL, NULL, "all VMs", get_vms },
	{ "POST", "/v1/vms", HTTP_BODY_MUST, wish_add_members, NULL, "add a VM", post_vm },
	{ "GET", VM, HTTP_BODY_NONE, NULL, NULL, "one VM", get_vm },
	{ "PATCH", VM, HTTP_BODY_MUST, wish_set_members, NULL, "change a VM", patch_vm },
	{ "DELETE", VM, HTTP_BODY_NONE, NULL, force, "remove a VM", delete_vm },
	{ "POST", VM "/offload", HTTP_BODY_MUST, offload_members, NULL,
	  "switch the moving of a VM's connections on or off", post_offload },
	{ "POST", VM "/pages", HTTP_BODY_MUST, pages_members, NULL,
	  "put files of a VM's share out of memory, or bring them back", post_pages },
	{ "POST", VM "/drain", HTTP_BODY_NONE, NULL, NULL,
	  "bring a VM's connections home, and let none move until offload is on again",
	  post_drain },
	{ "GET", VM "/why", HTTP_BODY_NONE, NULL, NULL, "why connections of a VM were not moved",
	  get_why },
	{ "GET", "/v1/events", HTTP_BODY_NONE, NULL, NULL, "changes, as a stream without end",
	  get_events },
	{ .method = NULL },
};
