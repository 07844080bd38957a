/* Paths, tokens and quoting; what is expected was asked of Postfix 3.7. */
#include <postrider/address.h>
#include <tap.h>

struct path_case { const char *text, *want; enum path_result result, strict; const char *rest; };

static const struct path_case paths[] = {
	{ "<a@good.test>", "a@good.test", PATH_OK, PATH_OK, "" },
	{ "a@good.test", "a@good.test", PATH_OK, PATH_BAD, "" },
	{ "  <a@good.test> SIZE=1", "a@good.test", PATH_OK, PATH_OK, " SIZE=1" },
	{ "<>", "", PATH_OK, PATH_OK, "" },
	{ "<a b@good.test>", NULL, PATH_BAD, PATH_BAD, "" },
	{ "<\"a b\"@good.test>", "a b@good.test", PATH_OK, PATH_OK, "" },
	{ "\"a b\"@good.test", "a b@good.test", PATH_OK, PATH_BAD, "" },
	{ "a b@good.test", "a", PATH_OK, PATH_BAD, " b@good.test" },
	{ "<@r1.test,@r2.test:a@good.test>", "a@good.test", PATH_OK, PATH_OK, "" },
	{ "@r1.test:a@good.test", "a@good.test", PATH_OK, PATH_BAD, "" },
	{ "<a@good.test", NULL, PATH_UNCLOSED, PATH_UNCLOSED, "" },
	{ "<\"a@good.test>", NULL, PATH_UNCLOSED, PATH_UNCLOSED, "" },
	{ "a@good.test>", "a@good.test", PATH_OK, PATH_BAD, "" },
	{ "<<a@good.test>>", "a@good.test", PATH_OK, PATH_OK, "" },
	{ "(c)a@good.test", "a@good.test", PATH_OK, PATH_BAD, "" },
	{ "<(c)a@good.test>", "a@good.test", PATH_OK, PATH_BAD, "" },
	{ "<a@good.test,b@good.test>", NULL, PATH_BAD, PATH_BAD, "" },
	{ "a:b@good.test", "a:b@good.test", PATH_OK, PATH_BAD, "" },
	{ "<a:b@good.test>", "a:b@good.test", PATH_OK, PATH_OK, "" },
	{ "<g:a@good.test;>", "a@good.test", PATH_OK, PATH_BAD, "" },
	{ "<a..b@good.test>", "a..b@good.test", PATH_OK, PATH_OK, "" },
	{ "<.a@good.test>", ".a@good.test", PATH_OK, PATH_OK, "" },
	{ "<a@good.test.>", "a@good.test.", PATH_OK, PATH_OK, "" },
	{ "<@good.test>", "@good.test", PATH_OK, PATH_BAD, "" },
	{ "<\"a@b\"@good.test>", "a@b@good.test", PATH_OK, PATH_OK, "" },
	{ "<\"a\\\"b\"@good.test>", "a\"b@good.test", PATH_OK, PATH_OK, "" },
	{ "<a\\ b@good.test>", "a b@good.test", PATH_OK, PATH_OK, "" },
	{ "<a@[IPv6:::1]>", "a@[IPv6:::1]", PATH_OK, PATH_OK, "" },
	{ "<\"\"@good.test>", "@good.test", PATH_OK, PATH_BAD, "" },
	{ "<\"\">", "", PATH_OK, PATH_OK, "" },
	{ "<a|b@good.test>", "a|b@good.test", PATH_OK, PATH_OK, "" },
	{ "<a\"b\"c@good.test>", NULL, PATH_BAD, PATH_BAD, "" },
	{ "<\"a\".\"b\"@good.test>", "a.b@good.test", PATH_OK, PATH_OK, "" },
	{ "<a;b@good.test>", NULL, PATH_BAD, PATH_BAD, "" },
	{ "<a[b]@good.test>", NULL, PATH_BAD, PATH_BAD, "" },
	{ "<a(b)@good.test>", "a@good.test", PATH_OK, PATH_BAD, "" },
	{ "<a @ good.test>", "a@good.test", PATH_OK, PATH_OK, "" },
	{ "a<b@good.test>c", NULL, PATH_BAD, PATH_BAD, "" },
	{ "<a@foo bar>", NULL, PATH_BAD, PATH_BAD, "" },
	{ "<\xc3\xa9@good.test>", "\xc3\xa9@good.test", PATH_OK, PATH_OK, "" },
	{ "\"a@good.test\"", "a@good.test", PATH_OK, PATH_BAD, "" },
	{ "<a@good.test>SIZE=5", NULL, PATH_BAD, PATH_BAD, "" },
	{ "<a@good.test> x>", "a@good.test", PATH_OK, PATH_OK, " x>" },
	{ "<a@good.test>;", "a@good.test", PATH_OK, PATH_BAD, "" },
	{ "", NULL, PATH_MISSING, PATH_MISSING, "" },
	{ "   ", NULL, PATH_MISSING, PATH_MISSING, "" },
};

static void test_paths(void)
{
	for (size_t i = 0; i < NELEM(paths); i++) {
		const struct path_case *c = &paths[i];
		struct buf out = { 0 };
		const char *rest;

		is_int(address_from_path(&out, c->text, false, true, &rest), c->result, "path %s", c->text);
		is_str(rest, c->rest, "what follows %s", c->text);
		if (c->want != NULL)
			is_str(buf_str(&out), c->want, "address of %s", c->text);
		buf_reset(&out);
		is_int(address_from_path(&out, c->text, true, true, &rest), c->strict, "strict path %s", c->text);
		buf_release(&out);
	}
}

/* Header values as rewriting prints them when nothing in the addresses changes. */
static const char *const fields[][2] = {
	{ "a@b.c", "a@b.c" },
	{ "a @ b . c", "a@b.c" },
	{ "John Doe <a@b.c>,x@y.z", "John Doe <a@b.c>,\nx@y.z" },
	{ "(one) a@b.c (two)", "a@b.c (one) (two)" },
	{ "\"Q \\\" q\" <a@b.c>", "\"Q \\\" q\" <a@b.c>" },
	{ "grp: a@b, c@d;", "grp: a@b,\nc@d;" },
	{ "a@b c@d", "a@b,\nc@d" },
	{ "<a@b>, <>", "<a@b>,\n<>" },
	{ "\"a b\"@c", "\"a b\"@c" },
	{ "a\\ b@c", "\"a b\"@c" },
	{ "<@r:a@b>", "<@r:a@b>" },
	{ "a@b;", "a@b;" },
	{ "", "" },
};

static void test_fields(void)
{
	for (size_t i = 0; i < NELEM(fields); i++) {
		struct arena arena = { 0 };
		struct tok_list l;
		struct buf out = { 0 };

		tok_parse(&arena, fields[i][0], 0, &l);
		tok_externalize(&out, l.head, true);
		is_str(buf_str(&out), fields[i][1], "field %s", fields[i][0]);
		buf_release(&out);
		arena_release(&arena);
	}
}

static void test_quoting(void)
{
	static const char *const q[][2] = {
	    {"a@b", "a@b"},	      {"a b@c", "\"a b\"@c"},	  {"", ""},
	    {"a@b@c", "\"a@b\"@c"},   {"a\"b@c", "\"a\\\"b\"@c"}, {".a@b", "\".a\"@b"},
	    {"a..b@c", "\"a..b\"@c"}, {"a.@c", "\"a.\"@c"},	  {"@b", "\"\"@b"},
	    {"a%b@c", "a%b@c"},
	};

	for (size_t i = 0; i < NELEM(q); i++) {
		struct buf out = { 0 }, back = { 0 };

		address_quote_822(&out, q[i][0]);
		is_str(buf_str(&out), q[i][1], "quoted %s", q[i][0]);
		address_unquote(&back, buf_str(&out));
		is_str(buf_str(&back), q[i][0], "and back");
		is_int(address_is_plain(q[i][0]), strcmp(q[i][0], q[i][1]) == 0, "plain or not");
		buf_release(&out);
		buf_release(&back);
	}
}

static void test_domains(void)
{
	char ip[64];
	struct extension_rules minus = { "-", "double-bounce", true }, plain = { "-", "2b", false };
	struct buf b = { 0 };

	ok(address_literal("[1.2.3.4]", ip, sizeof(ip)) && strcmp(ip, "1.2.3.4") == 0, "IPv4 literal");
	ok(address_literal("[IPv6:::1]", ip, sizeof(ip)) && strcmp(ip, "::1") == 0, "IPv6 literal");
	ok(!address_literal("[::1]", ip, sizeof(ip)), "IPv6 without its tag");
	ok(!address_literal("[1.2.3]", ip, sizeof(ip)), "three bytes");
	ok(!address_literal("[IPv6:1.2.3.4]", ip, sizeof(ip)), "IPv4 under IPv6's tag");
	ok(address_valid_hostname("good_x.test", false), "underscore");
	ok(!address_valid_hostname("-good.test", false) && !address_valid_hostname("good-.test", false),
	   "outer hyphens");
	ok(!address_valid_hostname("a..b", false) && !address_valid_hostname("a.", false) &&
	       !address_valid_hostname("", false),
	   "dots");
	ok(!address_valid_hostname("1.2.3.4", false), "all digits");
	ok(address_valid_hostname("\xc3\xa9.test", true) && !address_valid_hostname("\xc3\xa9.test", false),
	   "UTF-8 name");
	ok(address_domain_to_ascii(&b, "\xc3\x89t\xc3\xa9.Test"), "to A-labels");
	is_str(buf_str(&b), "xn--t-9fab.test", "lower case too");
	buf_reset(&b);
	ok(address_domain_to_ascii(&b, "fa\xc3\x9f.de"), "IDNA 2008: sharp s");
	is_str(buf_str(&b), "xn--fa-hia.de", "is a letter of its own");
	buf_reset(&b);
	address_idna2003(true);
	ok(address_domain_to_ascii(&b, "fa\xc3\x9f.de"), "IDNA 2003: sharp s");
	is_str(buf_str(&b), "fass.de", "is two s");
	address_idna2003(false);
	buf_reset(&b);
	ok(address_domain_to_utf8(&b, "xn--t-9fab.test"), "to U-labels");
	is_str(buf_str(&b), "\xc3\xa9t\xc3\xa9.test", "and back");
	is_str(address_extension("user+ext@x", &(struct extension_rules){ "+", "double-bounce", true }), "ext@x", "extension");
	ok(address_extension("mailer-daemon@x", &minus) == NULL && address_extension("owner-list@x", &minus) == NULL,
	   "reserved names");
	is_str(address_extension("owner-list@x", &plain), "list@x", "without owner_request_special");
	ok(address_extension("2B@x", &plain) == NULL, "double_bounce_sender by another name");
	is_str(address_extension("a-b+c", &(struct extension_rules){ "+-", "x", false }), "b+c", "first of several delimiters");
	buf_release(&b);
}

int main(void)
{
	test_paths();
	test_fields();
	test_quoting();
	test_domains();
	return done_testing();
}
