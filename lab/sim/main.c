/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - hylics-sim: laws of control tried on a VM that is only reckoned
 *
 * Runs in: hylics-sim
 * Reads from: the command line of whoever started it
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/opt.h"
#include "lab/sim/run.h"

#define MB_BYTES (1024.0 * 1024.0)
#define MS_PER_S 1000.0
#define PERCENT 100.0

struct values {
	int scheme, load;
	bool unmeasured;
	int64_t vcpus, files, seed, runs, noise_pct, drift_pct, favour_pct;
	uint64_t floor, ceiling, file_size, begin;
	uint64_t tau_ms, compute_ms, read_ms_per_mb, every_ms, other_every_ms, switch_ms;
	uint64_t idle_ms, time_ms, window_ms;
};

static const char *const schemes[] = { "adaptive", "queue", "both", "ours", "fixed", NULL };
static const char *const loads[] = { "steady", "switching", "bursty", NULL };

#define FIXED 4

#define AT(member) .offset = offsetof(struct values, member)

static const struct hy_opt options[] = {
	{ .name = "scheme", .type = HY_OPT_CHOICE, AT(scheme), .arg = "SCHEME",
	  .choices = schemes,
	  .help = "who decides how much memory there is" },
	{ .name = "unmeasured", .type = HY_OPT_FLAG, AT(unmeasured),
	  .help = "ours has no curve of service times to begin with" },
	{ .name = "tau", .type = HY_OPT_DURATION, AT(tau_ms), .arg = "TIME",
	  .help = "mean response time that is wanted", .min = 1 },
	{ .name = "floor", .type = HY_OPT_SIZE, AT(floor), .arg = "SIZE",
	  .help = "least memory", .min = 1 << 20 },
	{ .name = "ceiling", .type = HY_OPT_SIZE, AT(ceiling), .arg = "SIZE",
	  .help = "most memory", .min = 1 << 20 },
	{ .name = "begin", .type = HY_OPT_SIZE, AT(begin), .arg = "SIZE",
	  .help = "memory at the beginning; by default the most" },
	{ .name = "vcpus", .type = HY_OPT_INT, AT(vcpus), .arg = "N",
	  .help = "that jobs share", .min = 1, .max = 64 },
	{ .name = "files", .type = HY_OPT_INT, AT(files), .arg = "N",
	  .help = "that jobs are for", .min = 1, .max = SIM_FILES_MAX },
	{ .name = "file-size", .type = HY_OPT_SIZE, AT(file_size), .arg = "SIZE",
	  .help = "mean size of a file", .min = 1 << 10 },
	{ .name = "favour", .type = HY_OPT_INT, AT(favour_pct), .arg = "PERCENT",
	  .help = "rank r is asked for in proportion to r to the minus of it", .max = 400 },
	{ .name = "compute", .type = HY_OPT_DURATION, AT(compute_ms), .arg = "TIME",
	  .help = "what a job computes", .min = 1 },
	{ .name = "read", .type = HY_OPT_DURATION, AT(read_ms_per_mb), .arg = "TIME",
	  .help = "what a MB takes that is not in memory" },
	{ .name = "noise", .type = HY_OPT_INT, AT(noise_pct), .arg = "PERCENT",
	  .help = "how much jobs differ", .max = 200 },
	{ .name = "drift", .type = HY_OPT_INT, AT(drift_pct), .arg = "PERCENT",
	  .help = "how much all of them do, slowly", .max = 200 },
	{ .name = "idle", .type = HY_OPT_DURATION, AT(idle_ms), .arg = "TIME",
	  .help = "files nobody has asked for so long leave memory; 0s: none does" },
	{ .name = "load", .type = HY_OPT_CHOICE, AT(load), .arg = "LOAD",
	  .choices = loads,
	  .help = "how jobs come" },
	{ .name = "every", .type = HY_OPT_DURATION, AT(every_ms), .arg = "TIME",
	  .help = "mean time between jobs", .min = 1 },
	{ .name = "other-every", .type = HY_OPT_DURATION, AT(other_every_ms), .arg = "TIME",
	  .help = "the other one, of switching and bursty", .min = 1 },
	{ .name = "switch", .type = HY_OPT_DURATION, AT(switch_ms), .arg = "TIME",
	  .help = "how long each lasts; of bursty in the mean", .min = 1000 },
	{ .name = "time", .type = HY_OPT_DURATION, AT(time_ms), .arg = "TIME",
	  .help = "how long a run is", .min = 60000, .max = 1000ll * 3600 * 24 * 30 },
	{ .name = "window", .type = HY_OPT_DURATION, AT(window_ms), .arg = "TIME",
	  .help = "errors are summed over windows of this length", .min = 1000 },
	{ .name = "seed", .type = HY_OPT_INT, AT(seed), .arg = "N",
	  .help = "of the first run; each further one has the next", .max = UINT32_MAX },
	{ .name = "runs", .type = HY_OPT_INT, AT(runs), .arg = "N",
	  .help = "how many", .min = 1, .max = 1000000 },
	{ .name = NULL },
};

/* The Hylics paper's, section 6.4. */
static const struct values defaults = {
	.scheme = LAW_BOTH, .tau_ms = 10000, .floor = 16 << 20, .ceiling = 512 << 20,
	.vcpus = 1, .files = 100, .file_size = 5 << 20, .favour_pct = 80, .compute_ms = 3320,
	.read_ms_per_mb = 140, .noise_pct = 20, .drift_pct = 5, .idle_ms = 60000,
	.load = SIM_STEADY, .every_ms = 8000, .other_every_ms = 4000, .switch_ms = 600000,
	.time_ms = 3600000, .window_ms = 120000, .seed = 1, .runs = 1,
};

static struct plant_settings plant_of(const struct values *v)
{
	return (struct plant_settings){
		.vcpus = (unsigned int)v->vcpus, .files = (unsigned int)v->files,
		.file_mb = (double)v->file_size / MB_BYTES, .file_spread = 0.5,
		.favour = (double)v->favour_pct / PERCENT,
		.compute_s = (double)v->compute_ms / MS_PER_S,
		.read_s_per_mb = (double)v->read_ms_per_mb / MS_PER_S,
		.noise = (double)v->noise_pct / PERCENT, .drift = (double)v->drift_pct / PERCENT,
		.idle_s = (double)v->idle_ms / MS_PER_S, .load = (enum sim_load)v->load,
		.every_s = (double)v->every_ms / MS_PER_S,
		.other_every_s = (double)v->other_every_ms / MS_PER_S,
		.switch_s = (double)v->switch_ms / MS_PER_S,
	};
}

/* Intervals as the paper has them. */
static struct law_settings law_of(const struct values *v)
{
	struct law_settings s = {
		.scheme = v->scheme == FIXED ? LAW_ADAPTIVE : (enum law_scheme)v->scheme,
		.tau_s = (double)v->tau_ms / MS_PER_S, .floor = (double)v->floor / MB_BYTES,
		.ceiling = (double)v->ceiling / MB_BYTES, .interval_min_s = 30,
		.interval_max_s = 240,
	};

	law_settings_usual(&s);
	return s;
}

static void print_result(const struct values *v, const struct run_settings *s,
			 const struct run_result *r)
{
	printf("{\"seed\":%" PRIu64 ",\"scheme\":\"%s\",\"load\":\"%s\",\"error_s\":%.3f,"
	       "\"over_s\":%.3f,\"windows\":%u,\"changes\":%u,\"memory_mean_mb\":%.2f,"
	       "\"memory_most_mb\":%.2f,\"resident_most_mb\":%.2f,\"response_s\":%.4f,"
	       "\"jobs\":%" PRIu64 ",\"turned_away\":%" PRIu64 "}\n",
	       s->seed, schemes[v->scheme], loads[v->load], r->error_s, r->over_s, r->windows,
	       r->changes, r->memory_mean, r->memory_most, r->resident_most, r->response_s, r->jobs,
	       r->turned_away);
}

/* Whether its options make a run. Return: an exit code, with @e set unless it is HY_EXIT_OK */
static int prepare(const struct values *v, struct run_settings *s, struct hy_err *e)
{
	const char *fault;

	if (v->floor > v->ceiling) {
		hy_err_set(e, EINVAL, "--floor is more than --ceiling");
		return HY_EXIT_USAGE;
	}
	if (s->law.scheme != LAW_ADAPTIVE && !(s->law.scheme == LAW_OURS && v->unmeasured) &&
	    run_identify(&s->plant, s->law.floor, s->law.ceiling, (uint64_t)v->seed,
			 &s->law.curve) < 0) {
		hy_err_set(e, EINVAL, "no curve of service times fits what was measured");
		return HY_EXIT_FAILED;
	}
	fault = law_settings_fault(&s->law);
	if (!fault)
		return HY_EXIT_OK;
	hy_err_set(e, EINVAL, "%s", fault);
	return HY_EXIT_USAGE;
}

static int run(const void *values, int argc, char **argv, struct hy_err *e)
{
	const struct values *v = values;
	struct run_settings s = { .plant = plant_of(v), .law = law_of(v),
				  .fixed = v->scheme == FIXED,
				  .seconds = (double)v->time_ms / MS_PER_S,
				  .window_s = (double)v->window_ms / MS_PER_S };
	struct run_result result;
	int code = prepare(v, &s, e);

	(void)argc;
	(void)argv;
	if (code != HY_EXIT_OK)
		return code;
	s.memory = v->begin ? (double)v->begin / MB_BYTES : s.law.ceiling;
	for (int64_t i = 0; i < v->runs; i++) {
		s.seed = (uint64_t)(v->seed + i);
		run_law(&s, &result);
		print_result(v, &s, &result);
	}
	return HY_EXIT_OK;
}

static const struct hy_cmd command = {
	.name = "hylics-sim",
	.summary = "laws of control tried on a VM that is only reckoned",
	.details = "Writes a line of JSON for each run. By default the VM and the objective are "
		   "those of the Hylics paper, section 6.4.",
	.options = options,
	.values_size = sizeof(struct values),
	.defaults = &defaults,
	.run = run,
};

int main(int argc, char **argv)
{
	return hy_opt_main(&command, argc, argv);
}
