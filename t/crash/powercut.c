/* powercut.c - the power fails at any moment: does the queue hold what was acknowledged?
 *
 *	powercut [-n images] [-s seed] [-S] [-r 1/n recovered] [-d scratch] LOG	pictures of the disk, from a recorded log
 *	powercut [-S] [-N notes] -q QUEUE/postrider					one real queue, as it lies there
 *
 * The log is played once. At barriers (and at notes between them) images are made in which some of the writes since the last
 * barrier have reached the disk: all, none, each alone, all but one, only the meta pages, all but these, as many as
 * came first, at random, at random by sectors. Each is opened and walked, and what was acknowledged by then must be there; every so
 * often an image is also opened for writing, as the server does at its start. Cuts are spread evenly over the log so that about -n images
 * are made. The work is done in a child, so that a crash in LMDB is a finding, too.
 *
 * -S: the log is a server's, with other messages beside the workload's. Exit status: 0, 1 findings, 3 trouble. */
#include "powercut.h"
#include "mail.h"
#include <postrider/base.h>
#include <postrider/clock.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <dirent.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { IMAGES_PER_CUT = 25 /* about; more where much is in doubt */, ALONE = 12, RANDOM = 8, FINDINGS_SHOWN = 10 };

struct progress {		/* shared with the parent */
	char		 what[256];	/* the image under examination */
	uint64_t	 images, recovered, cuts, barriers, walked, findings;
};
static struct run {
	struct log	 log;
	struct image	 image;
	struct model	 model;
	struct walk	 walk;
	struct progress	*p;
	char		 dir[256], copy[300];
	unsigned char	*take;
	size_t		 take_cap;
	const char	*name;		/* of the file, at this event */
	uint64_t	 seed;
	unsigned	 recover_one_in;
} run;

static uint64_t dice(uint64_t of)
{
	run.seed = crash_mix(run.seed);
	return of != 0 ? (run.seed >> 11) % of : 0;
}

static void finding(void)
{
	if (run.p->findings++ < FINDINGS_SHOWN)
		printf("finding: %s: %s\n", run.p->what, run.walk.why);
}

static void in_dir(char *out, size_t size, const char *dir, const char *name)
{
	snprintf(out, size, "%s/%s", dir, name);
}

static void empty_dir(const char *dir)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
}

/* ---- one image ------------------------------------------------------------------------------------------ */

static bool copy_image(void)
{
	char path[320];
	struct stat st;
	char *p;
	int fd;
	bool fine;

	empty_dir(run.copy);
	in_dir(path, sizeof(path), run.copy, run.name);
	if (fstat(run.image.fd, &st) < 0 || (fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
		return false;
	p = xmalloc((size_t)st.st_size + 1);
	fine = pread(run.image.fd, p, (size_t)st.st_size, 0) == st.st_size && write(fd, p, (size_t)st.st_size) == st.st_size;
	free(p);
	close(fd);
	return fine;
}

static void recover(void)
{
	size_t n = strlen(run.p->what);

	run.p->recovered++;
	snprintf(run.p->what + n, sizeof(run.p->what) - n, ", recovered");
	if (!copy_image()) {
		fprintf(stderr, "powercut: %s: %s\n", run.copy, strerror(errno));
		exit(3);
	}
	if (!walk_recover(&run.walk, run.copy))
		finding();
}

static void examine(size_t at, const char *what, unsigned number)
{
	run.p->images++;
	snprintf(run.p->what, sizeof(run.p->what), "event %zu of %zu, %zu+%zu writes in doubt, %s %u", at, run.log.n,
	    run.image.limbo.n, run.image.pending.n, what, number);
	image_make(&run.image, run.take, run.seed);
	/* Before anything was acknowledged a queue may be unreadable, if the server can begin anew. */
	if (run.model.acknowledged == 0) {
		recover();
		return;
	}
	if (!walk_queue(&run.walk, run.dir))
		finding();
	else if (dice(run.recover_one_in) == 0)
		recover();
	run.p->walked += run.walk.messages;
}

/* ---- the choices at one cut ------------------------------------------------------------------------------- */

static void take_all(enum take pending, enum take limbo)
{
	size_t i;

	for (i = 0; i < run.image.limbo.n + run.image.pending.n; i++)
		run.take[i] = (unsigned char)(i < run.image.limbo.n ? limbo : pending);
}

static enum take limbo_any(void)
{
	return dice(2) == 0 ? TAKE_NONE : TAKE_ALL;
}

static bool is_meta(const struct unit *u)
{
	return u->kind == EV_WRITE && u->off < 2 * 4096;
}

static void cut(size_t at, bool barrier)
{
	size_t limbo = run.image.limbo.n, n = run.image.pending.n, i, k;
	unsigned char *pending;
	bool some_meta = false;

	if (limbo + n > run.take_cap) {
		run.take_cap = 2 * (limbo + n);
		run.take = xrealloc(run.take, run.take_cap);
	}
	pending = run.take != NULL ? run.take + limbo : NULL;
	run.p->cuts++;
	take_all(TAKE_NONE, TAKE_NONE);
	examine(at, "none", 0);
	if (limbo + n == 0)
		return;
	take_all(TAKE_ALL, TAKE_ALL);
	examine(at, "all", 0);
	for (i = 0; i < n; i++)
		some_meta |= is_meta(&run.image.pending.v[i]);
	for (k = 0; some_meta && k < 2; k++) {
		take_all(TAKE_NONE, limbo_any());
		for (i = 0; i < n; i++)
			pending[i] = is_meta(&run.image.pending.v[i]) == (k == 0);
		examine(at, k == 0 ? "only meta pages" : "all but meta pages", 0);
	}
	for (k = 0; barrier && k < MIN(n, ALONE); k++) {
		i = n <= ALONE ? k : dice(n);
		take_all(TAKE_NONE, limbo_any());
		pending[i] = TAKE_ALL;
		examine(at, "alone", (unsigned)i);
		take_all(TAKE_ALL, limbo_any());
		pending[i] = TAKE_NONE;
		examine(at, "all but", (unsigned)i);
	}
	for (k = 0; barrier && k < RANDOM && n > 1; k++) {
		take_all(TAKE_NONE, limbo_any());
		memset(pending, TAKE_ALL, dice(n));
		examine(at, "the first", (unsigned)k);
	}
	for (k = 0; k < (barrier ? 2 * RANDOM : 2); k++) {	/* a half, a tenth, nine tenths; whole pages, sectors */
		static const unsigned of_ten[] = { 5, 1, 9 };

		for (i = 0; i < limbo + n; i++)
			run.take[i] = dice(10) < of_ten[k / 2 % 3] ? (k % 2 == 0 ? TAKE_ALL : TAKE_TORN) : TAKE_NONE;
		examine(at, k % 2 == 0 ? "at random" : "torn", (unsigned)k);
	}
}

/* ---- the log ------------------------------------------------------------------------------------------------ */

static void play(uint64_t images)
{
	uint64_t barriers = 0, notes = 0, cuts, note_cuts;
	const struct event *e;
	size_t at;

	for (at = 0; at < run.log.n; at++) {
		e = &run.log.ev[at];
		barriers += e->kind == EV_SYNC || (e->kind == EV_WRITE && e->dsync);
		notes += e->kind == EV_NOTE;
	}
	run.p->barriers = barriers;
	cuts = MAX(images * 4 / 5 / IMAGES_PER_CUT, 1);
	note_cuts = MAX(images / 5 / 4, 1);
	for (at = 0; at < run.log.n; at++) {
		e = &run.log.ev[at];
		switch (e->kind) {
		case EV_WRITE:
		case EV_TRUNCATE:
		case EV_GROW:
			image_write(&run.image, &run.log, at);
			if (e->dsync && (run.model.acknowledged == 0 || dice(barriers) < cuts))
				cut(at, true);
			break;
		case EV_SYNC:
			if (run.model.acknowledged == 0 || dice(barriers) < cuts)
				cut(at, true);
			break;
		case EV_SYNC_END:
			image_synced(&run.image, e->begin, e->failed);
			break;
		case EV_WRITE_END:
			image_dsynced(&run.image, e->begin, e->failed);
			break;
		case EV_NOTE:
			model_note(&run.model, e->data, e->len);
			if (dice(notes) < note_cuts)
				cut(at, false);
			break;
		case EV_NAMED:
			run.name = "data.mdb";
			cut(at, true);
			break;
		}
	}
	cut(at, true);
}

static void remove_scratch(void)
{
	empty_dir(run.copy);
	rmdir(run.copy);
	empty_dir(run.dir);
	rmdir(run.dir);
}

static int examine_log(const char *path, const char *scratch, uint64_t images)
{
	char *why, file[320];
	int status;
	pid_t pid;

	snprintf(run.dir, sizeof(run.dir), "%s/powercut.%d", scratch, (int)getpid());
	snprintf(run.copy, sizeof(run.copy), "%s/copy", run.dir);
	if (mkdir(run.dir, 0700) < 0 || mkdir(run.copy, 0700) < 0) {
		fprintf(stderr, "powercut: %s: %s\n", run.dir, strerror(errno));
		return 3;
	}
	fflush(NULL);
	if ((pid = fork()) == 0) {
		if ((why = log_read(&run.log, path, "data.mdb")) != NULL) {
			fprintf(stderr, "powercut: %s\n", why);
			exit(3);
		}
		in_dir(file, sizeof(file), run.dir, "data.mdb");
		run.name = run.log.first_name != NULL ? run.log.first_name : "data.mdb";
		image_open(&run.image, file);
		loop_init();
		play(images);
		model_release(&run.model);
		image_release(&run.image);
		log_release(&run.log);
		free(run.take);
		loop_release();
		exit(run.p->findings == 0 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	remove_scratch();
	if (WIFSIGNALED(status)) {
		printf("finding: %s: signal %d\n", run.p->what, WTERMSIG(status));
		run.p->findings++;
	}
	printf("%llu images at %llu cuts of %llu barriers, %llu recovered, %llu messages walked: %llu findings\n",
	    (unsigned long long)run.p->images, (unsigned long long)run.p->cuts, (unsigned long long)run.p->barriers,
	    (unsigned long long)run.p->recovered, (unsigned long long)run.p->walked, (unsigned long long)run.p->findings);
	return WIFEXITED(status) && WEXITSTATUS(status) > 1 ? WEXITSTATUS(status) : run.p->findings != 0;
}

static int examine_queue(const char *dir, const char *notes)
{
	char line[128];
	FILE *f;

	if (notes != NULL) {
		if ((f = fopen(notes, "r")) == NULL) {
			fprintf(stderr, "powercut: %s: %s\n", notes, strerror(errno));
			return 3;
		}
		while (fgets(line, sizeof(line), f) != NULL)
			model_note(&run.model, line, strlen(line));
		fclose(f);
	}
	if (!walk_queue(&run.walk, dir))
		printf("finding: %s: %s\n", dir, run.walk.why);
	printf("%llu messages on %llu pages, %zu of %llu acknowledged are owed\n", (unsigned long long)run.walk.messages,
	    (unsigned long long)run.walk.pages, run.model.owed_n, (unsigned long long)run.model.acknowledged);
	model_release(&run.model);
	return run.walk.why[0] != '\0';
}

int main(int argc, char **argv)
{
	const char *scratch = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", *notes = NULL, *queue = NULL;
	uint64_t images = 3000;
	int opt;

	run.recover_one_in = 20;
	run.walk = (struct walk){ .model = &run.model, .drafts = true };
	while ((opt = getopt(argc, argv, "n:s:Sr:d:N:q:")) != -1) {
		switch (opt) {
		case 'n': images = strtoull(optarg, NULL, 10); break;
		case 's': run.seed = strtoull(optarg, NULL, 10); break;
		case 'S': run.walk.smtp = true; break;
		case 'r': run.recover_one_in = (unsigned)atoi(optarg); break;
		case 'd': scratch = optarg; break;
		case 'N': notes = optarg; break;
		case 'q': queue = optarg; break;
		default: return 3;
		}
	}
	clock_update();
	log_program("powercut");
	if (queue != NULL)
		return examine_queue(queue, notes);
	if (optind + 1 != argc)
		return 3;
	run.p = mmap(NULL, sizeof(*run.p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return run.p == MAP_FAILED ? 3 : examine_log(argv[optind], scratch, images);
}
