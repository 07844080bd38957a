/* Tables on a running loop: sources that change, look-ups that wait, sets that go. */
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <postrider/config.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/table.h>

#include "table/room.h"
#include "tap.h"

static struct view view;
static struct tables *set;
static struct task task;
static struct timer timer;
static char dir[] = "/tmp/table_follow.XXXXXX";
static struct maps_op maps_op;
static struct match_op match_op;
static bool maps_wait, match_wait;

static void run(struct task *t)
{
	(void)t;
	if (!timer_expired(&timer) && ((maps_wait && maps_poll(&maps_op) == TABLE_WAIT) ||
	    (match_wait && match_poll(&match_op) == MATCH_WAIT) || (!maps_wait && !match_wait)))
		return;
	loop_stop();
}

/* Runs the loop for so long, or until what is waited for is there. */
static void turn(int64_t ms)
{
	timer_start(&timer, &task, ms);
	task_wake(&task);
	loop_run();
	timer_end(&timer);
}

static const char *spec_of(const char *type, const char *name)
{
	static char out[300];

	snprintf(out, sizeof(out), "%s:%s/%s", type, dir, name);
	return out;
}

static void write_file(const char *name, const char *text)
{
	char path[300], tmp[310];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	f = fopen(tmp, "w");
	fputs(text, f);
	fclose(f);
	rename(tmp, path);
}

static const char *get(struct table *t, const char *key)
{
	static char out[200];
	struct table_op op = { 0 };
	enum table_result r;

	table_start(&op, NULL, t, key);
	r = table_poll(&op);
	snprintf(out, sizeof(out), "%s", r == TABLE_FOUND ? op.value : r == TABLE_NONE ? "-" : "!");
	table_end(&op);
	return out;
}

/* Waits until key gives want. */
static void becomes(struct table *t, const char *key, const char *want, const char *what)
{
	int ms = 0;

	for (; ms < 6000 && strcmp(get(t, key), want) != 0; ms += 100)
		turn(100);
	is_str(get(t, key), want, "%s (%d ms)", what, ms);
}

static void test_reload(void)
{
	struct table *text, *later, *cidr, *hash;
	struct match_list *list;
	struct match_op op = { 0 };
	struct table_op held = { 0 };
	char file[300];

	write_file("text", "a 1\n");
	write_file("cidr", "10.0.0.0/8 x\n");
	write_file("aliases", "root: alice\n");
	write_file("domains", "one.test\n");
	text = table_open(set, spec_of("texthash", "text"), TABLE_ADDR, NULL, NULL);
	later = table_open(set, spec_of("texthash", "later"), TABLE_ADDR, NULL, NULL);
	cidr = table_open(set, spec_of("cidr", "cidr"), TABLE_ADDR, NULL, NULL);
	hash = table_open(set, spec_of("hash", "aliases"), TABLE_ADDR, NULL, NULL);
	snprintf(file, sizeof(file), "%s/domains", dir);
	list = match_list_new(set, MATCH_DOMAIN, "relay_domains", file, true, NULL);
	tables_watch(set);
	is_str(get(text, "a"), "1", "before");
	is_str(get(later, "a"), "!", "a file that is not there");
	table_start(&held, &task, text, "a");
	write_file("text", "a 2\n");
	write_file("later", "a late\n");
	write_file("cidr", "10.0.0.0/8 y\n");
	write_file("aliases", "root: bob\n");
	write_file("domains", "two.test\n");
	becomes(text, "a", "2", "new contents");
	becomes(later, "a", "late", "the file has come");
	becomes(cidr, "10.1.1.1", "y", "networks");
	becomes(hash, "root", "bob", "aliases");
	is_str(held.value, "1", "a look-up keeps what it found");
	table_end(&held);
	match_start(&op, NULL, NULL, list, "x.two.test", NULL);
	is_int(match_poll(&op), MATCH_YES, "a match list's file");
	match_end(&op);
	snprintf(file, sizeof(file), "%s/text", dir);
	unlink(file);
	turn(2500);
	is_str(get(text, "a"), "2", "a file that has gone leaves the old contents");
	write_file("text", "a 3\n");
	becomes(text, "a", "3", "it is back");
	write_file("text", "a 4\nonly\nb 5\n");
	write_file("cidr", "10.0.0.1/8 no\n11.0.0.0/8 z\n");
	write_file("aliases", "root: carol\n\"torn: dave\nlast: erin\n");
	becomes(text, "b", "5", "a bad line is left out, what follows is there");
	is_str(get(text, "a"), "4", "and what stands before");
	becomes(cidr, "11.1.1.1", "z", "a bad rule is left out");
	is_str(get(cidr, "10.1.1.1"), "-", "and the old one is gone");
	becomes(hash, "last", "erin", "a bad alias is left out");
	is_str(get(hash, "root"), "carol", "and what stands before is new");
}

static void ask(struct maps *m, const char *key)
{
	maps_end(&maps_op);
	maps_start(&maps_op, &task, NULL, m, key, MAPS_ALL);
	maps_wait = true;
	if (maps_poll(&maps_op) == TABLE_WAIT)
		turn(10000);
	maps_wait = false;
}

static void test_waiting(void)
{
	struct maps *m = maps_new(set, "local_recipient_maps", "proxy:unix:passwd.byname, inline:{nobody-else=x}",
	    TABLE_ADDR, NULL);
	struct match_list *l;

	maps_start(&maps_op, &task, NULL, m, "root", MAPS_ALL);
	is_int(maps_poll(&maps_op), TABLE_WAIT, "the name service is asked elsewhere");
	maps_end(&maps_op);
	ask(m, "Root");
	is_int(maps_poll(&maps_op), TABLE_FOUND, "found");
	ok(strncmp(maps_op.value, "root:", 5) == 0, "%s", maps_op.value);
	is_str(table_spec(maps_op.table), "proxy:unix:passwd.byname", "by the first");
	ask(m, "nobody-else");
	is_str(maps_op.value, "x", "by the second, after waiting");
	ask(m, "no-such-user");
	is_int(maps_poll(&maps_op), TABLE_NONE, "by none");
	maps_end(&maps_op);
	maps_start(&maps_op, &task, NULL, m, "no-such-user", MAPS_ALL);
	is_int(maps_poll(&maps_op), TABLE_NONE, "remembered for a moment");
	maps_end(&maps_op);
	m = maps_new(set, "x", "unionmap:{unix:group.byname, static:y}, pipemap:{unix:passwd.byname, static:z}",
	    TABLE_ADDR, NULL);
	ask(m, "root");
	is_str(maps_op.value, "root:x:0:,y", "a table of tables waits, too");
	maps_end(&maps_op);

	l = match_list_new(set, MATCH_STRING, "x", "!unix:group.byname static:x", true, NULL);
	match_start(&match_op, &task, NULL, l, "daemon", NULL);
	is_int(match_poll(&match_op), MATCH_WAIT, "a match list waits");
	match_wait = true;
	turn(10000);
	is_int(match_poll(&match_op), MATCH_NO, "and goes on");
	match_end(&match_op);
	match_start(&match_op, &task, NULL, l, "no-such-group", NULL);
	if (match_poll(&match_op) == MATCH_WAIT)
		turn(10000);
	is_int(match_poll(&match_op), MATCH_YES, "to the next");
	match_end(&match_op);
	match_wait = false;
}

/* ---- a source that takes longer to read than anybody waits ---------------------------------------------------- */

static struct { sem_t gate; atomic_int loads, inside, most; int swaps; } slow;

static void *slow_load(struct watched *w, struct problems *p, struct strs *files, char **why_r)
{
	int inside = atomic_fetch_add(&slow.inside, 1) + 1;

	(void)p;
	(void)why_r;
	if (inside > atomic_load(&slow.most))
		atomic_store(&slow.most, inside);
	atomic_fetch_add(&slow.loads, 1);
	strs_add(files, w->files.v[0]);
	sem_wait(&slow.gate);
	atomic_fetch_sub(&slow.inside, 1);
	return xstrdup("contents");
}

static void slow_swap(struct watched *w, void *contents)
{
	(void)w;
	slow.swaps++;
	free(contents);
}

static const char *slow_name(const struct watched *w)
{
	(void)w;
	return "slow";
}

static void test_slow(void)
{
	static const struct watched_class class = { slow_load, slow_swap, free, slow_name };
	static struct watched w;
	struct tables *own = tables_new(&view);
	struct strs files = { 0 };
	char path[300];

	sem_init(&slow.gate, 0, 0);
	follow_limit_ms = 100;
	write_file("slow", "1");
	snprintf(path, sizeof(path), "%s/slow", dir);
	strs_add(&files, path);
	watched_init(&w, &class, own, &files);
	tables_watch(own);
	for (int i = 0; i < 100 && atomic_load(&slow.loads) == 0; i++)
		turn(100);
	is_int(atomic_load(&slow.loads), 1, "it is being read");
	turn(2500);
	is_int(atomic_load(&slow.loads), 1, "past the limit no second round is beside it");
	is_int(slow.swaps, 0, "and nothing has changed");
	sem_post(&slow.gate);
	for (int i = 0; i < 100 && atomic_load(&slow.loads) < 2; i++)
		turn(100);
	is_int(slow.swaps, 0, "what nobody waited for is dropped");
	is_int(atomic_load(&slow.loads), 2, "but read again");
	follow_limit_ms = 600 * 1000;
	for (int i = 0; i < 20; i++)
		sem_post(&slow.gate);
	for (int i = 0; i < 100 && slow.swaps == 0; i++)
		turn(100);
	ok(slow.swaps > 0, "and in force when it comes in time");
	is_int(atomic_load(&slow.most), 1, "one at a time");
	tables_unref(&own);
	turn(1000);
	watched_release(&w);
}

int main(void)
{
	char command[300];

	if (mkdtemp(dir) == NULL)
		return 1;
	view.v[P_smtputf8_enable].flag = true;
	view.v[P_queue_directory].str = view.v[P_data_directory].str = dir;
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	loop_init();
	table_init();
	task_init(&task, "test", run);
	set = tables_new(&view);
	test_reload();
	test_waiting();
	test_slow();
	/* Many sets come and go, with jobs of the follower under way. */
	for (int i = 0; i < 20; i++) {
		struct tables *other = tables_new(&view);

		table_open(other, spec_of("texthash", "text"), TABLE_ADDR, NULL, NULL);
		tables_watch(other);
		turn(i % 3 == 0 ? 200 : 1);
		tables_unref(&other);
		ok(other == NULL, "gone");
	}
	tables_unref(&set);
	turn(1500);
	table_release();
	task_unlink(&task);
	loop_release();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 ? done_testing() : 1;
}
