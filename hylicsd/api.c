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
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/own.h"
#include "common/show.h"
#include "hylicsd/guest.h"
#include "conf/module.h"
#include "hylicsd/module_states.h"
#include "hylicsd/share.h"
#include "hylicsd/swap.h"
#include "hylicsd/tend_json.h"
#include "hylicsd/vm_keeper.h"
#include "hylicsd/why.h"
#include "version.h"

/* What a client wants a VM to have; a member that was not given leaves it as it is. */
struct wish {
	const char *name, *cache, *export, *keep, *domain;
	uint64_t size, memory, inodes;
	struct take_list nics, modules;
	bool offload;
};

#define AT(field) .offset = offsetof(struct wish, field)
#define WISHES \
	{ .name = "memory", .type = TAKE_SIZE, AT(memory), .max = HY_SHARE_MAX }, \
	{ .name = "inodes", .type = TAKE_SIZE, AT(inodes), .max = HY_SHARE_INODES_MAX }, \
	{ .name = "cache", .type = TAKE_STRING, AT(cache), .min = 1, .max = 16 }, \
	{ .name = "export", .type = TAKE_STRING, AT(export), .min = 1, .max = 16 }, \
	{ .name = "keep", .type = TAKE_STRING, AT(keep), .max = HY_PATH_MAX }, \
	{ .name = "domain", .type = TAKE_STRING, AT(domain), .max = RECORD_DOMAIN_MAX - 1 }, \
	{ .name = "nics", .type = TAKE_LIST, AT(nics), .max = HY_TWIN_NICS_MAX }, \
	{ .name = "modules", .type = TAKE_LIST, AT(modules), .max = HY_MODULES_MAX }, \
	{ .name = "offload", .type = TAKE_BOOL, AT(offload) }, \
	{ .name = NULL }

static const struct take_member add_members[] = {
	{ .name = "name", .type = TAKE_STRING, AT(name), .min = 1, .max = HY_NAME_MAX,
	  .required = true },
	{ .name = "size", .type = TAKE_SIZE, AT(size), .min = HY_SHARE_MIN, .max = HY_SHARE_MAX,
	  .required = true },
	WISHES
};

static const struct take_member set_members[] = {
	{ .name = "size", .type = TAKE_SIZE, AT(size), .min = HY_SHARE_MIN, .max = HY_SHARE_MAX },
	WISHES
};

static const struct take_member offload_members[] = {
	{ .name = "on", .type = TAKE_BOOL, AT(offload), .required = true },
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

#define LOOKS 3		/* at what somebody may be writing just now */

/*
 * What a worker or keeper shows. The worker's word is the guest's, and in the keeper's there are
 * words of modules: numbers and texts below names of ours are all that is taken of it. NULL if
 * there is none.
 */
static json_t *told(const struct vm *vm, const char *file)
{
	hy_autofd fd = vm->dir < 0 ? -1 : openat(vm->dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[HY_SHOW_TEXT_MAX];
	json_t *o = NULL;

	for (unsigned int i = 0; !o && fd >= 0 && i < LOOKS; i++) {
		ssize_t n = pread(fd, text, sizeof(text), 0);

		if (n > 0)
			o = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	}
	return o;
}

/*
 * How many connections are at the host: not known before the worker has heard what holds now. It
 * may lie, which is its own guest's loss.
 */
static void add_away(json_t *o, const struct vm *vm)
{
	json_t *c = told(vm, VM_STATS);
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

/* -- wishes -- */

static int set_text(struct record *r, const char *key, const char *text, struct hy_err *e)
{
	return ini_set(&record_table, key, text, r, e);
}

static int fill_nics(struct record *r, const struct take_list *nics, struct hy_err *e)
{
	int rc = 0;

	r->n_nics = 0;
	for (unsigned int i = 0; rc == 0 && i < nics->n; i++)
		rc = set_text(r, "nic", nics->item[i], e);
	return rc;
}

/* An operator's typing mistake is told here; a file that goes later is told by the keeper. */
static int fill_modules(const struct api *a, struct record *r, const struct take_list *names,
			struct hy_err *e)
{
	static struct module conf;	/* large; one loop */
	int rc = 0;

	r->n_modules = 0;
	for (unsigned int i = 0; rc == 0 && i < names->n; i++) {
		rc = set_text(r, "module", names->item[i], e);
		if (rc == 0)
			rc = module_read(a->vms->host.config.modules_dir, names->item[i], &conf, e);
		if (rc == -ENOENT)
			rc = hy_err_usage(e, "modules", "module '%s': there is none of that name "
					  "in '%s'; 'hylics module list' shows all",
					  names->item[i], a->vms->host.config.modules_dir);
	}
	return rc;
}

/* A text that is given but empty takes away what was there. */
static int fill_texts(struct record *r, const struct wish *w, struct hy_err *e)
{
	int rc = 0;

	if (w->cache)
		rc = set_text(r, "cache", w->cache, e);
	if (w->export && rc == 0)
		rc = set_text(r, "export", w->export, e);
	if (w->keep && rc == 0) {
		r->keep[0] = '\0';
		rc = *w->keep ? set_text(r, "keep", w->keep, e) : 0;
	}
	if (w->domain && rc == 0) {
		r->domain[0] = '\0';
		rc = *w->domain ? set_text(r, "domain", w->domain, e) : 0;
	}
	return rc;
}

static int fill_lists(const struct api *a, struct record *r, const struct wish *w,
		      struct hy_err *e)
{
	int rc = w->nics.n <= TAKE_LIST_MAX ? fill_nics(r, &w->nics, e) : 0;

	return rc == 0 && w->modules.n <= TAKE_LIST_MAX ? fill_modules(a, r, &w->modules, e) : rc;
}

static int fill(const struct api *a, struct record *r, json_t *body,
		const struct take_member *members, struct wish *w, struct hy_err *e)
{
	int rc;

	w->size = r->size;
	w->memory = r->memory;
	w->inodes = (uint64_t)r->inodes;
	w->offload = r->offload;
	w->nics.n = w->modules.n = TAKE_LIST_MAX + 1;	/* not given */
	rc = take_object(body, members, w, NULL, e);
	if (rc < 0)
		return rc;
	r->size = w->size;
	r->memory = w->memory;
	r->inodes = (int64_t)w->inodes;
	r->offload = w->offload;
	rc = fill_texts(r, w, e);
	return rc < 0 ? rc : fill_lists(a, r, w, e);
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
	struct wish w = { 0 };
	struct vms_asker asker;
	struct record rec;
	int rc;

	/* the name first: it is what the rest is about */
	rc = take_object(r->body, add_members, &w, NULL, e);
	if (rc == 0)
		rc = record_init(&rec, w.name, e);
	if (rc == 0)
		rc = fill(a, &rec, r->body, add_members, &w, e);
	if (rc == 0 && !w.export)
		rec.export = vms_export(a->vms, &rec);
	if (rc == 0)
		rc = later(a, r, 201, &asker, e);
	return rc < 0 ? rc : begun(&asker, vms_add(a->vms, &rec, &asker, e));
}

/* A killed worker's last words stay in its file. */
static void add_agent(json_t *o, const struct vm *vm)
{
	json_t *counters = proc_runs(&vm->keeper) ? told(vm, VM_STATS) : NULL;
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
	json_t *from = proc_runs(&vm->keeper) ? told(vm, VM_MODULES_STATE) : NULL;
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
	struct wish w = { 0 };
	struct record rec;
	int rc;

	if (!vm)
		return -ENOENT;
	rec = vm->rec;
	rc = fill(a, &rec, r->body, set_members, &w, e);
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
	struct wish w = { 0 };
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
	rec.offload = w.offload;
	vm->draining = was && !w.offload;
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
	counters = told(vm, VM_STATS);
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
	{ "POST", "/v1/vms", HTTP_BODY_MUST, add_members, NULL, "add a VM", post_vm },
	{ "GET", VM, HTTP_BODY_NONE, NULL, NULL, "one VM", get_vm },
	{ "PATCH", VM, HTTP_BODY_MUST, set_members, NULL, "change a VM", patch_vm },
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
