/* unix: tables with a name service that fails, needs much room, is slow, or has no end: this program has its own. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <postrider/config.h>
#include <postrider/loop.h>
#include <postrider/table.h>

#include "table/room.h"
#include "tap.h"

static atomic_int asked;

int getpwnam_r(const char *name, struct passwd *pw, char *room, size_t size, struct passwd **result)
{
	atomic_fetch_add(&asked, 1);
	*result = NULL;
	if (strcmp(name, "io") == 0)
		return EIO;
	if (strcmp(name, "again") == 0)
		return EAGAIN;
	if (strcmp(name, "none") == 0)
		return 0;
	if (strcmp(name, "slow") == 0)
		usleep(300 * 1000);
	if (size < 100000 && strcmp(name, "large") == 0)
		return ERANGE;
	if (strcmp(name, "endless") == 0)
		return ERANGE;
	snprintf(room, size, "%s", name);
	*pw = (struct passwd){ .pw_name = room, .pw_passwd = (char *)(uintptr_t)"x", .pw_uid = 7, .pw_gid = 8, .pw_gecos = (char *)(uintptr_t)"G",
		.pw_dir = (char *)(uintptr_t)"/h", .pw_shell = (char *)(uintptr_t)(strcmp(name, "noshell") == 0 ? "" : "/s") };
	*result = pw;
	return 0;
}

int getgrnam_r(const char *name, struct group *gr, char *room, size_t size, struct group **result)
{
	static char *members[] = { (char *)(uintptr_t)"a", (char *)(uintptr_t)"b", NULL };

	*result = NULL;
	if (strcmp(name, "io") == 0)
		return EIO;
	snprintf(room, size, "%s", name);
	*gr = (struct group){ .gr_name = room, .gr_passwd = (char *)(uintptr_t)"*", .gr_gid = 9, .gr_mem = strcmp(name, "empty") == 0 ? members + 2 : members };
	*result = gr;
	return 0;
}

static struct task task;
static struct table_op op;
static bool waited;

static void run(struct task *t)
{
	(void)t;
	if (table_poll(&op) == TABLE_WAIT)
		waited = true;
	else
		loop_stop();
}

static void ask(struct table *t, const char *key, enum table_result want, const char *text)
{
	waited = false;
	table_start(&op, &task, t, key);
	task_wake(&task);
	loop_run();
	is_int(table_poll(&op), want, "%s:%s", table_spec(t), key);
	is_str(want == TABLE_FOUND ? op.value : want == TABLE_ERROR ? op.why : "", text, "... says so");
	table_end(&op);
}

int main(void)
{
	static struct view view;
	struct tables *set;
	struct table *users, *groups;
	int before;

	view.v[P_queue_directory].str = view.v[P_data_directory].str = "/tmp";
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	loop_init();
	table_init();
	task_init(&task, "test", run);
	set = tables_new(&view);
	users = table_open(set, "unix:passwd.byname", TABLE_FOLD, NULL, NULL);
	groups = table_open(set, "unix:group.byname", TABLE_FOLD, NULL, NULL);
	for (int loop = 1; loop >= 0; loop--) {		/* on the loop; then where one may wait */
		ask(users, "io", TABLE_ERROR, "cannot access UNIX password database: Input/output error");
		is_int(waited, loop, loop ? "on the loop it is asked elsewhere" : "without one at once");
		ask(users, "again", TABLE_ERROR, "cannot access UNIX password database: Resource temporarily unavailable");
		ask(users, "endless", TABLE_ERROR, "cannot access UNIX password database: Numerical result out of range");
		ask(users, "large", TABLE_FOUND, "large:x:7:8:G:/h:/s");
		ask(users, "noshell", TABLE_FOUND, "noshell:x:7:8:G:/h:");
		ask(users, "none", TABLE_NONE, "");
		ask(users, "slow", TABLE_FOUND, "slow:x:7:8:G:/h:/s");
		ask(groups, "io", TABLE_ERROR, "cannot access UNIX group database: Input/output error");
		ask(groups, "empty", TABLE_FOUND, "empty:*:9:");
		ask(groups, "two", TABLE_FOUND, "two:*:9:a,b");
		before = atomic_load(&asked);
		ask(users, "io", TABLE_ERROR, "cannot access UNIX password database: Input/output error");
		ok(atomic_load(&asked) > before, "errors are not remembered");
		before = atomic_load(&asked);
		if (loop)
			ask(users, "large", TABLE_FOUND, "large:x:7:8:G:/h:/s");
		ok(atomic_load(&asked) == before, "answers are, for a while");
		if (loop)
			table_release();
	}
	tables_unref(&set);
	loop_release();
	return done_testing();
}
