/* Tables, maps, match lists without a loop: all that answers at once. The answers are Postfix 3.7's. */
#include <stdlib.h>
#include <unistd.h>
#include <postrider/config.h>
#include <postrider/table.h>

#include "tap.h"

static struct view view;
static struct tables *set;
static struct problems problems;
static char dir[] = "/tmp/table_lookup.XXXXXX";

static const char *path_of(const char *name)
{
	static char out[4][256];
	static int i;

	i = (i + 1) % 4;
	snprintf(out[i], sizeof(out[i]), "%s/%s", dir, name);
	return out[i];
}

static const char *write_file(const char *name, const char *text)
{
	const char *path = path_of(name);
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
	return path;
}

static const char *spec_of(const char *type, const char *path)
{
	static char out[512];

	snprintf(out, sizeof(out), "%s:%s", type, path);
	return out;
}

/* "value", "-" for none, "!" for an error. */
static const char *get(struct table *t, const char *key)
{
	static struct buf out;
	struct table_op op = { 0 };
	enum table_result r;

	table_start(&op, NULL, t, key);
	r = table_poll(&op);
	buf_reset(&out);
	buf_adds(&out, r == TABLE_FOUND ? op.value : r == TABLE_NONE ? "-" : r == TABLE_ERROR ? "!" : "wait");
	table_end(&op);
	return buf_str(&out);
}

static const char *find(const struct maps *m, const char *key, int which)
{
	static struct buf out;
	struct maps_op op = { 0 };
	enum table_result r;

	maps_start(&op, NULL, NULL, m, key, which);
	r = maps_poll(&op);
	buf_reset(&out);
	buf_adds(&out, r == TABLE_FOUND ? op.value : r == TABLE_NONE ? "-" : r == TABLE_ERROR ? "!" : "wait");
	maps_end(&op);
	return buf_str(&out);
}

static enum match_result match(const struct match_list *l, const char *name, const char *addr)
{
	struct match_op op = { 0 };
	enum match_result r;

	match_start(&op, NULL, NULL, l, name, addr);
	r = match_poll(&op);
	match_end(&op);
	return r;
}

static bool problem_said(const char *text)
{
	struct problem *p;

	TAILQ_FOREACH(p, &problems, link)
		if (strcmp(p->text, text) == 0)
			return true;
	TAILQ_FOREACH(p, &problems, link)
		diag("there was: %s", p->text);
	return false;
}

static void test_texthash(void)
{
	char warning[400];
	const char *path = write_file("good",
	    "Key1 value1\nkey2   value two\n  continued\n# comment\n   # in\nKEY1 dup\nnoval\n \"quoted key\" v\n\"quoted key\" v\n"
	    "bad: x\nk3:  v3\nkey4\tv4   \n\n\"a\\\"b\" z\nk\xc3\x96 val\nempty   \n\"unclosed key value\n8\xff bit\n");
	struct table *t;

	t = table_open(set, spec_of("texthash", path), TABLE_ADDR, "test_maps", &problems);
	ok(table_broken(t) == NULL && table_is_fixed(t), "opened");
	is_str(get(t, "key1"), "value1", "key folded, first of two");
	is_str(get(t, "KEY1"), "value1", "in any case");
	is_str(get(t, "key2"), "value two  continued", "continuation");
	is_str(get(t, "noval"), "\"quoted key\" v", "value on the next line");
	is_str(get(t, "quoted key"), "-", "quotes belong to the key");
	is_str(get(t, "\"quoted key\""), "v", "so this is it");
	is_str(get(t, "\"a\\\"b\""), "z", "escaped quote");
	is_str(get(t, "bad:"), "x", "alias format");
	is_str(get(t, "key4"), "v4", "tabs, trailing space");
	is_str(get(t, "k\xc3\xb6"), "val", "UTF-8 folding");
	is_str(get(t, "empty"), "-", "no value");
	is_str(get(t, "8\xff"), "-", "not UTF-8");
	snprintf(warning, sizeof(warning), "%s, line 6: duplicate entry: \"KEY1\"", path);
	ok(problem_said(warning), "duplicate");
	snprintf(warning, sizeof(warning), "%s, line 10: record is in \"key: value\" format; is this an alias file?",
	    path);
	ok(problem_said(warning), "alias format");
	snprintf(warning, sizeof(warning), "%s, line 16: expected format: key whitespace value -- ignoring this line",
	    path);
	ok(problem_said(warning), "format");
	snprintf(warning, sizeof(warning), "%s, line 17: unbalanced '\"' in '\"unclosed key value' -- ignoring this line", path);
	ok(problem_said(warning), "unbalanced");
	ok(table_open(set, spec_of("texthash", path), TABLE_ADDR, NULL, NULL) == t, "the same spec is the same table");
	t = table_open(set, spec_of("texthash", path_of("missing")), TABLE_ADDR, NULL, &problems);
	snprintf(warning, sizeof(warning), "open database %s: No such file or directory", path_of("missing"));
	is_str(table_broken(t), warning, "missing file");
	ok(problem_said(warning), "is a problem");
	is_str(get(t, "x"), "!", "and an error");
}

static void test_inline(void)
{
	struct table *t = table_open(set, "inline:{x=y, {Z = a b  c}, {X=dup}, e=}", TABLE_ADDR, NULL, NULL);
	static const char *const bad[] = { "inline:x=y", "inline:{x=y", "inline:{ x=y} a", "inline:{}", "inline:{x}",
	    "inline:{ {a b = c } }" };

	is_str(get(t, "X"), "dup", "the last stays");
	is_str(get(t, "z"), "a b  c", "in braces");
	is_str(get(t, "e"), "", "empty value");
	is_str(get(t, "q"), "-", "absent");
	for (size_t i = 0; i < NELEM(bad); i++) {
		t = table_open(set, bad[i], TABLE_ADDR, NULL, NULL);
		ok(table_broken(t) != NULL, "%s: %s", bad[i], table_broken(t));
		is_str(get(t, "x"), "!", "an error");
	}
	is_str(table_broken(table_open(set, "inline:{x}", TABLE_ADDR, NULL, NULL)),
	    "missing '=' after attribute name: \"inline:{x}\"; need \"inline:{name=value...}\"", "words");
}

static void test_others(void)
{
	struct table *t;

	is_str(get(table_open(set, "static:foo", 0, NULL, NULL), "x"), "foo", "static");
	is_str(get(table_open(set, "static:{ foo bar }", 0, NULL, NULL), "x"), "foo bar", "static in braces");
	is_str(table_broken(table_open(set, "static:{ foo", 0, NULL, NULL)),
	    "bad static:name syntax: missing '}' in \"{ foo\"", "static, open");
	is_str(get(table_open(set, "fail:x", 0, NULL, NULL), "x"), "!", "fail");
	setenv("TABLE_TEST", "here", 1);
	is_str(get(table_open(set, "environ:x", 0, NULL, NULL), "TABLE_TEST"), "here", "environ");
	t = table_open(set, "foo:bar", TABLE_ADDR, "test_maps", &problems);
	is_str(table_broken(t), "unsupported dictionary type: foo", "unknown type");
	ok(problem_said("unsupported dictionary type: foo"), "is a problem");
	is_str(get(t, "x"), "!", "and an error");
	t = table_open(set, "foo", TABLE_ADDR, "test_maps", &problems);
	ok(problem_said("test_maps: open dictionary: expecting \"type:name\" form instead of \"foo\""), "no type");
	is_str(get(table_open(set, "proxy:static:foo", 0, NULL, NULL), "x"), "foo", "proxy is transparent");
	is_str(get(table_open(set, "proxy:static:foo", TABLE_NO_PROXY, NULL, NULL), "x"), "!",
	    "but not where it is forbidden");
}

static void test_maps(void)
{
	struct maps *m = maps_new(set, "test_maps", "inline:{a=1, {b = 2 2}}, static:x inline:{c=3}", TABLE_ADDR,
	    &problems);

	is_int((int)maps_count(m), 3, "three tables");
	is_str(find(m, "A", MAPS_ALL), "1", "the first");
	is_str(find(m, "c", MAPS_ALL), "x", "the first that has it");
	is_str(find(m, "", MAPS_ALL), "-", "an empty key");
	m = maps_new(set, "test_maps", "inline:{a=} static:x", TABLE_ADDR, &problems);
	is_str(find(m, "a", MAPS_ALL), "!", "an empty value is an error");
	m = maps_new(set, "test_maps", "fail:x static:x", TABLE_ADDR, &problems);
	is_str(find(m, "a", MAPS_ALL), "!", "an error ends it");
	is_str(find(m, "a", MAPS_FIXED), "x", "fixed tables only");
	m = maps_new(set, "test_maps", "", TABLE_ADDR, &problems);
	ok(maps_empty(m) && maps_empty(NULL), "empty");
	is_str(find(m, "a", MAPS_ALL), "-", "nothing in it");
	is_str(find(NULL, "a", MAPS_ALL), "-", "nor in none");
}

static void test_domains(void)
{
	struct match_list *l = match_list_new(set, MATCH_DOMAIN, "relay_domains",
	    "Example.com, !no.example.org .example.org", true, &problems);

	is_int(match(l, "example.com", NULL), MATCH_YES, "itself");
	is_int(match(l, "a.EXAMPLE.com", NULL), MATCH_YES, "below");
	is_int(match(l, "aexample.com", NULL), MATCH_NO, "beside");
	is_int(match(l, "a.example.org", NULL), MATCH_NO, ".domain means nothing here");
	l = match_list_new(set, MATCH_DOMAIN, "relay_domains", "example.com, !no.example.org .example.org", false,
	    &problems);
	is_int(match(l, "example.com", NULL), MATCH_YES, "itself");
	is_int(match(l, "a.example.com", NULL), MATCH_NO, "not below");
	is_int(match(l, "a.example.org", NULL), MATCH_YES, ".domain matches below");
	is_int(match(l, "example.org", NULL), MATCH_NO, "not itself");
	is_int(match(l, "no.example.org", NULL), MATCH_NO, "excluded");
	is_int(match(l, "x.no.example.org", NULL), MATCH_YES, "only that name");
	l = match_list_new(set, MATCH_DOMAIN, "mydestination", "inline:{a.test=x}, !inline:{b.test=x}, static:y", true,
	    &problems);
	is_int(match(l, "a.test", NULL), MATCH_YES, "in a table");
	is_int(match(l, "x.a.test", NULL), MATCH_YES, "its parent is");
	is_int(match(l, "x.b.test", NULL), MATCH_NO, "in a table to exclude");
	is_int(match(l, "c.test", NULL), MATCH_YES, "in the last");
	l = match_list_new(set, MATCH_DOMAIN, "mydestination", "inline:{.a.test=x}, fail:x, d.test", false, &problems);
	is_int(match(l, "x.a.test", NULL), MATCH_YES, "parents with a dot");
	is_int(match(l, "d.test", NULL), MATCH_ERROR, "an error before it");
	l = match_list_new(set, MATCH_DOMAIN, "mydestination", "d.test, fail:x", false, &problems);
	is_int(match(l, "d.test", NULL), MATCH_YES, "no error before it");
	is_int(match(l, "e.test", NULL), MATCH_ERROR, "an error");
	l = match_list_new(set, MATCH_STRING, "x", "a.b !c", true, &problems);
	is_int(match(l, "x.a.b", NULL), MATCH_NO, "strings have no parents");
	is_int(match(l, "A.b", NULL), MATCH_YES, "string");
	ok(match_list_empty(NULL) && match(NULL, "x", NULL) == MATCH_NO, "no list");
}

static void test_hosts(void)
{
	char text[600];
	struct match_list *l;

	write_file("nets", "# comment\n192.0.2.0/24 !198.51.100.7\n198.51.100.0/24\n");
	snprintf(text, sizeof(text), "127.0.0.0/8 [::1]/128, [2001:db8::]/32 10.1.2.3 %s good.test !%s",
	    path_of("nets"), "203.0.113.9, 203.0.113.0/24");
	l = match_list_new(set, MATCH_HOST, "mynetworks", text, true, &problems);
	is_int(match(l, "unknown", "127.1.2.3"), MATCH_YES, "in a network");
	is_int(match(l, "unknown", "::1"), MATCH_YES, "IPv6");
	is_int(match(l, "unknown", "2001:db8:1::5"), MATCH_YES, "IPv6 network");
	is_int(match(l, "unknown", "2001:db9:1::5"), MATCH_NO, "another");
	is_int(match(l, "unknown", "10.1.2.3"), MATCH_YES, "an address");
	is_int(match(l, "unknown", "10.1.2.4"), MATCH_NO, "another");
	is_int(match(l, "unknown", "192.0.2.200"), MATCH_YES, "from a file");
	is_int(match(l, "unknown", "198.51.100.7"), MATCH_NO, "excluded in the file");
	is_int(match(l, "unknown", "198.51.100.8"), MATCH_YES, "the rest of it");
	is_int(match(l, "x.good.test", "8.8.8.8"), MATCH_YES, "by name");
	is_int(match(l, "unknown", "203.0.113.9"), MATCH_NO, "excluded");
	is_int(match(l, "unknown", "203.0.113.10"), MATCH_YES, "not that one");
	l = match_list_new(set, MATCH_HOST, "mynetworks", "1.2.3.4, 10.0.0.1/8, 5.6.7.8 !inline:{9.9.9.9=x}, cheese",
	    true, &problems);
	is_int(match(l, "unknown", "1.2.3.4"), MATCH_YES, "before a wrong pattern");
	is_int(match(l, "unknown", "5.6.7.8"), MATCH_ERROR, "behind one");
	is_int(match(l, "cheese", "::1"), MATCH_YES, "which is not about IPv6");
	ok(problem_said("mynetworks: non-null host address bits in \"10.0.0.1/8\", perhaps you should use \"10.0.0.0/8\" instead"), "said");
	l = match_list_new(set, MATCH_ADDR, "x", "10.0.0.0/8 !10.1.0.0/16 10.1.1.0/24", true, &problems);
	is_int(match(l, NULL, "10.1.1.1"), MATCH_YES, "the first pattern wins");
	l = match_list_new(set, MATCH_ADDR, "x", "10.1.1.0/24 !10.1.0.0/16 10.0.0.0/8", true, &problems);
	is_int(match(l, NULL, "10.1.1.1"), MATCH_YES, "small one first");
	is_int(match(l, NULL, "10.1.2.1"), MATCH_NO, "then the hole");
	is_int(match(l, NULL, "10.2.2.1"), MATCH_YES, "then the rest");
	is_int(match(l, NULL, "0:0::0:1"), MATCH_NO, "another family");
	l = match_list_new(set, MATCH_HOST, "x", "/nonexistent/file", true, &problems);
	is_int(match(l, "a", "1.1.1.1"), MATCH_ERROR, "a file that is not there");
	l = match_list_new(set, MATCH_STRING, "x", "a ! b", true, &problems);
	ok(problem_said("x: no pattern after '!'"), "nothing to exclude");
}

static void test_many(void)
{
	struct buf b = { 0 };
	struct match_list *l;

	for (int i = 0; i < 3000; i++)
		buf_addf(&b, "h%d.test 10.%d.%d.0/24 ", i, i / 200, i % 200);
	l = match_list_new(set, MATCH_HOST, "x", buf_str(&b), true, &problems);
	is_int(match(l, "x.h2999.test", "1.1.1.1"), MATCH_YES, "the last name of thousands");
	is_int(match(l, "unknown", "10.14.199.7"), MATCH_YES, "the last network");
	is_int(match(l, "unknown", "10.14.200.7"), MATCH_NO, "none");
	buf_release(&b);
}

static void test_extension(void)
{
	is_int((int)addr_extension("user+ext", 8, "+", "double-bounce", true), 4, "user+ext");
	is_int((int)addr_extension("user-a+b", 8, "+-", "double-bounce", true), 4, "the first of several");
	is_int((int)addr_extension("+ext", 4, "+", NULL, true), 4, "nothing before");
	is_int((int)addr_extension("user", 4, "+", NULL, true), 4, "none");
	is_int((int)addr_extension("double-bounce", 13, "-", "double-bounce", true), 13, "double-bounce");
	is_int((int)addr_extension("Mailer-Daemon", 13, "-", NULL, false), 13, "mailer-daemon");
	is_int((int)addr_extension("owner-list", 10, "-", NULL, true), 10, "owner-");
	is_int((int)addr_extension("owner-list", 10, "-", NULL, false), 5, "not special");
	is_int((int)addr_extension("list-request", 12, "-", NULL, true), 12, "-request");
	ok(match_parent_style("debug_peer_list, Mynetworks", "mynetworks") && !match_parent_style("a b", "c"),
	    "parent style");
}

int main(void)
{
	TAILQ_INIT(&problems);
	if (mkdtemp(dir) == NULL)
		return 1;
	view.v[P_smtputf8_enable].flag = true;
	view.v[P_queue_directory].str = dir;
	view.v[P_data_directory].str = dir;
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	set = tables_new(&view);
	test_texthash();
	test_inline();
	test_others();
	test_maps();
	test_domains();
	test_hosts();
	test_many();
	test_extension();
	tables_unref(&set);
	problems_release(&problems);
	unlink(path_of("good"));
	unlink(path_of("nets"));
	rmdir(dir);
	return done_testing();
}
