/* base_core.c - strings, lists, buffers, arenas, hash, clock, files. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <postrider/arena.h>
#include <postrider/buf.h>
#include <postrider/clock.h>
#include <postrider/file.h>
#include <postrider/hash.h>

#include "tap.h"

static void test_str(void)
{
	char a[64], *p;
	int64_t n = 7;
	const char *why;

	ok(str_ieq("MAIL", "mail") && !str_ieq("mai", "mail") && !str_ieq("[", "{"), "str_ieq");
	ok(str_ieq(NULL, NULL) && !str_ieq(NULL, "") && !str_ieq("", NULL), "str_ieq with NULL");
	ok(str_iprefix("DATA x", "data") && !str_iprefix("dat", "data") && str_iprefix("", ""), "str_iprefix");
	strcpy(a, "ABC\xc4z");
	is_str(str_lower(a), "abc\xc4z", "str_lower is ASCII only");
	strcpy(a, " \t a b \r\n");
	is_str(str_trim(a), "a b", "str_trim");
	strcpy(a, "   ");
	is_str(str_trim(a), "", "str_trim of white space");
	strcpy(a, "a\x01\x7f\xc3\xa4\xc3(\xf0\x9f\x98\x80\xe2\x82");
	is_str(str_printable(a, '?'), "a??\xc3\xa4?(\xf0\x9f\x98\x80??", "str_printable keeps UTF-8");
	ok(!str_is_utf8("\xc0\x80", 2) && !str_is_utf8("\xed\xa0\x80", 3) && !str_is_utf8("\xf4\x90\x80\x80", 4),
	    "over-long forms, surrogates, too large: not UTF-8");
	ok(str_is_utf8("\xf4\x8f\xbf\xbf\xef\xbf\xbd" "a", 8) && !str_is_utf8("\xc3", 1), "str_is_utf8");
	ok(str_is_ascii("a~\x7f") && !str_is_ascii("\x80"), "str_is_ascii");
	ok(str_to_int("-12", -20, 20, &n) && n == -12, "str_to_int");
	ok(!str_to_int("", 0, 9, &n) && !str_to_int("1x", 0, 9, &n) && !str_to_int("10", 0, 9, &n) && n == -12,
	    "str_to_int refuses");
	ok(str_to_int("9223372036854775807", INT64_MIN, INT64_MAX, &n) && n == INT64_MAX, "largest");
	ok(str_to_int("-9223372036854775808", INT64_MIN, INT64_MAX, &n) && n == INT64_MIN, "smallest");
	ok(!str_to_int("9223372036854775808", INT64_MIN, INT64_MAX, &n), "overflow");
	hex_encode(a, "\x00\xff\x1a", 3);
	is_str(a, "00ff1a", "hex_encode");
	is_int((intmax_t)str_copy(a, "abcdef", 4), 6, "str_copy returns the length");
	is_str(a, "abc", "and truncates");

	strcpy(a, " a, b,,c ");
	p = a;
	is_str(str_tok(&p, ", "), "a", "first token");
	is_str(str_tok(&p, ", "), "b", "second");
	is_str(str_tok(&p, ", "), "c", "third");
	ok(str_tok(&p, ", ") == NULL && str_tok(&p, ", ") == NULL, "and no more");
	strcpy(a, "x { y, {z w} } t}q");
	p = a;
	is_str(str_tok_brace(&p, ", "), "x", "plain token");
	is_str(p = str_tok_brace(&(char *){ p }, ", "), "{ y, {z w} }", "braces hold together");
	is_str(str_extpar(&p), NULL, "str_extpar");
	is_str(p, "y, {z w}", "stripped");
	strcpy(a, "{ a } b");
	p = a;
	why = str_extpar(&p);
	is_str(why, "syntax error after '}'", "text after the brace");
	strcpy(a, "{ a ");
	is_str(str_extpar(&(char *){ a }), "missing '}'", "unbalanced");
	is_str(str_extpar(&(char *){ a + 1 }), "no opening '{'", "no brace");
}

static void test_strs(void)
{
	struct strs l = { 0 };
	char want[16];
	bool same = true;

	strs_split(&l, " a,b  c ", ", ");
	ok(l.n == 3 && l.v[3] == NULL, "strs_split counts and terminates");
	is_str(l.v[2], "c", "last");
	strs_release(&l);
	for (int i = 0; i < 100; i++) {
		snprintf(want, sizeof(want), "%d", i);
		strs_add(&l, want);
	}
	for (int i = 0; i < 100; i++) {
		snprintf(want, sizeof(want), "%d", i);
		same = same && strcmp(l.v[i], want) == 0;
	}
	ok(same && l.n == 100 && l.v[100] == NULL, "grows");
	strs_release(&l);
	ok(l.n == 0 && l.v == NULL, "released");
}

static void test_buf(void)
{
	struct buf b = { 0 };
	char big[1000], *s;

	is_str(buf_str(&b), "", "empty");
	buf_adds(&b, "abc");
	buf_addf(&b, "-%d-%s", 42, "x");
	buf_addc(&b, '!');
	is_str(b.p, "abc-42-x!", "adds");
	buf_drop(&b, 4);
	is_str(b.p, "42-x!", "buf_drop");
	memset(big, 'y', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	buf_reset(&b);
	buf_addf(&b, "%s%s", big, big);
	is_int((intmax_t)b.len, 1998, "long formatted text");
	s = buf_steal(&b);
	ok(strlen(s) == 1998 && b.p == NULL, "buf_steal");
	free(s);
	free(buf_steal(&b));
	buf_add_json(&b, "a\"\\\n\x01\xc3\xa4\xff/");
	is_str(b.p, "\"a\\\"\\\\\\n\\u0001\xc3\xa4\xef\xbf\xbd/\"", "JSON string");
	for (size_t n = 0; n <= 4; n++) {
		static const char *const want[] = { "", "AA==", "AP8=", "AP8Q", "AP8Qgw==" };

		buf_release(&b);
		buf_add_base64(&b, "\x00\xff\x10\x83", n);
		is_str(buf_str(&b), want[n], "base64 of %zu", n);
		struct buf back = { 0 };

		ok(buf_add_unbase64(&back, buf_str(&b), b.len), "decodes");
		is_mem(back.p, back.len, "\x00\xff\x10\x83", n, "to the same %zu", n);
		buf_release(&back);
	}
	ok(!buf_add_unbase64(&b, "A", 1) && !buf_add_unbase64(&b, "A===", 4) && !buf_add_unbase64(&b, "AP9=", 4) &&
	    !buf_add_unbase64(&b, "A=AA", 4) && !buf_add_unbase64(&b, "AA=A", 4) && !buf_add_unbase64(&b, "AA\nA", 4) &&
	    !buf_add_unbase64(&b, "AA==AAAA", 8), "bad base64");
	buf_release(&b);
	buf_add_xtext(&b, "a+b=c d\xc3");
	is_str(b.p, "a+2Bb+3Dc+20d+C3", "xtext");
	struct buf back = { 0 };

	ok(buf_add_unxtext(&back, b.p), "unxtext");
	is_str(back.p, "a+b=c d\xc3", "round trip");
	ok(!buf_add_unxtext(&back, "a+2") && !buf_add_unxtext(&back, "+zz") && !buf_add_unxtext(&back, "+00"),
	    "bad xtext");
	buf_release(&back);
	buf_release(&b);
}

static void test_arena(void)
{
	struct arena a = { 0 };
	char *p, big[600];
	bool fine = true;

	arena_reset(&a);
	is_str(arena_strdup(&a, "x"), "x", "arena_strdup");
	ok(arena_strdup(&a, NULL) == NULL, "of NULL");
	is_str(arena_strndup(&a, "abcdef", 3), "abc", "arena_strndup");
	memset(big, 'z', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	p = arena_printf(&a, "%s|%d", big, 5);
	ok(strlen(p) == 601 && strcmp(p + 599, "|5") == 0, "arena_printf long");
	for (size_t i = 1; i < 3000; i += 7) {
		p = arena_alloc(&a, i);
		for (size_t k = 0; k < i; k++)
			fine = fine && p[k] == 0;
		memset(p, 0xff, i);
		fine = fine && (uintptr_t)p % 16 == 0;
	}
	ok(fine, "zeroed and aligned");
	p = arena_alloc(&a, 1 << 20);
	p[(1 << 20) - 1] = 1;
	arena_reset(&a);
	ok(a.used == 0 && a.head != NULL, "reset keeps a block");
	p = arena_alloc(&a, 100);
	ok(p[0] == 0 && p[99] == 0, "zeroed again");
	arena_release(&a);
	ok(a.head == NULL, "released");
}

static int freed;

static void count_free(void *p)
{
	(void)p;
	freed++;
}

static void test_hash(void)
{
	struct hash h = { 0 };
	static int values[5000];
	char key[16];
	const char *k;
	void *v;
	size_t pos = 0, seen = 0;
	bool fine = true;

	ok(hash_get(&h, "x") == NULL && hash_del(&h, "x") == NULL && !hash_next(&h, &pos, &k, &v), "empty");
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		fine = fine && hash_set(&h, key, &values[i]) == NULL;
	}
	ok(fine && h.n == 5000, "5000 set");
	ok(hash_set(&h, "k7", &values[8]) == &values[7] && hash_get(&h, "k7") == &values[8], "replaced");
	hash_set(&h, "k7", &values[7]);
	pos = 0;
	while (hash_next(&h, &pos, &k, &v)) {
		seen++;
		fine = fine && &values[atoi(k + 1)] == v;
		if (atoi(k + 1) % 2 == 0)
			hash_del(&h, k);
	}
	ok(fine && seen == 5000 && h.n == 2500, "walk deletes what it stands on");
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		fine = fine && hash_get(&h, key) == (i % 2 == 0 ? NULL : &values[i]);
	}
	ok(fine, "the others are still found");
	size_t cap = h.cap;

	for (int i = 0; i < 100000; i++) {
		hash_set(&h, "in and out", &h);
		snprintf(key, sizeof(key), "t%d", i);
		hash_set(&h, key, &h);
		hash_del(&h, key);
	}
	ok(h.cap <= cap && h.n == 2501, "churn does not grow it (%zu)", h.cap);
	hash_release(&h, count_free);
	ok(freed == 2501 && h.cap == 0, "released");
	ok(hash_bytes("abc", 3) == hash_bytes("abc", 3) && hash_bytes("abc", 3) != hash_bytes("abd", 3), "hash_bytes");
	ok(hash_stable("a", 1) == 0xaf63dc4c8601ec8cULL, "hash_stable is FNV-1a");
}

static void test_clock(void)
{
	int64_t t;

	clock_update();
	t = now_ms();
	ok(t > 0 && wall_s() > 1600000000, "clocks run");
	usleep(3000);
	ok(now_ms() == t, "now_ms stands still within a pass");
	clock_update();
	ok(now_ms() >= t + 2, "and moves with clock_update");
	clock_test_set(1000000, 50);
	clock_update();
	ok(clock_is_test() && now_ms() == 50 && wall_us() == 1000000 && wall_s() == 1 &&
	    clock_wall_fresh_us() == 1000000, "test clock");
}

static void test_file(const char *dir)
{
	char *path = xasprintf("%s/a/b/c", dir), *file = xasprintf("%s/a/b/c/f", dir), *text;
	struct stat st;
	size_t len;

	ok(file_mkdirs(path, 0755) == 0 && file_mkdirs(path, 0755) == 0, "file_mkdirs, twice");
	ok(file_replace(file, "hello", 5, 0640) == 0, "file_replace");
	ok(stat(file, &st) == 0 && (st.st_mode & 0777) == 0640, "mode");
	text = file_read(file, 100, &len);
	is_str(text, "hello", "file_read");
	is_int((intmax_t)len, 5, "length");
	free(text);
	ok(file_read(file, 4, NULL) == NULL && errno == EFBIG, "too large");
	free(text = file_read(file, 5, NULL));
	ok(text != NULL, "just fits");
	ok(file_read("/nonexistent", 4, NULL) == NULL && errno == ENOENT, "absent");
	ok(file_read(path, 4, NULL) == NULL && errno == EISDIR, "directory");
	text = file_read("/proc/self/status", 100000, &len);
	ok(text != NULL && len > 100 && strlen(text) == len, "file without a size");
	free(text);
	ok(file_mkdirs(file, 0755) < 0 && errno == ENOTDIR, "file_mkdirs on a file");
	ok(file_replace("/nonexistent/x", "", 0, 0600) < 0 && errno == ENOENT, "file_replace without directory");
	ok(file_mtime_us(file) > 0 && file_mtime_us("/nonexistent") == -1, "file_mtime_us");
	ok(!file_on_nfs(dir), "file_on_nfs");
	free(path);
	free(file);
}

int main(void)
{
	char dir[] = "/tmp/base_core.XXXXXX", cmd[64];

	if (mkdtemp(dir) == NULL)
		return 1;
	test_str();
	test_strs();
	test_buf();
	test_arena();
	test_hash();
	test_file(dir);
	test_clock();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd) != 0)
		return 1;
	return done_testing();
}
