/* The parser and the conversion to quoted-printable; what is expected was asked of Postfix 3.7. */
#include <postrider/mime.h>
#include <tap.h>

struct seen { struct buf out, errors; unsigned ends; };

static void on_header(void *arg, enum mime_place place, const struct hdr_info *info, const char *text, size_t len)
{
	struct seen *s = arg;

	(void)place, (void)info;
	buf_add(&s->out, text, len);
	buf_addc(&s->out, '\n');
}

static void on_end(void *arg)
{
	((struct seen *)arg)->ends++;
}

static void on_body(void *arg, const char *line, size_t len, bool partial)
{
	struct seen *s = arg;

	buf_add(&s->out, line, len);
	if (!partial)
		buf_addc(&s->out, '\n');
}

static void on_error(void *arg, unsigned bit, const char *detail, size_t len)
{
	struct seen *s = arg;

	buf_addf(&s->errors, "%s: %.*s\n", mime_error_text(bit), (int)len, detail);
}

static const struct mime_hooks hooks = { on_header, on_end, on_body, on_error };

static void run(const struct mime_config *config, const char *text, size_t piece, struct seen *s)
{
	struct mime *m = mime_new(config, &hooks, s);

	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		while (piece > 0 && n >= piece) {
			mime_line(m, text, piece, true);
			text += piece;
			n -= piece;
		}
		mime_line(m, text, n, text[n] == '\0');
		text += n + (text[n] != '\0');
	}
	mime_end(m);
	is_int(s->ends, 1, "headers ended once");
	mime_free(&m);
	buf_add(&s->out, "", 0);
	buf_add(&s->errors, "", 0);
}

static void check(unsigned options, const char *in, const char *want, const char *errors, const char *what)
{
	const struct mime_config c = { options, 102400, 3, 2048 };
	struct seen s = { 0 };

	run(&c, in, 0, &s);
	is_str(s.out.p, want, "%s", what);
	is_str(s.errors.p, errors, "%s: errors", what);
	buf_release(&s.out);
	buf_release(&s.errors);
}

#define CTE "Content-Transfer-Encoding: "
#define QP MIME_PARSE | MIME_DOWNGRADE

static void test_downgrade(void)
{
	check(QP, "Subject: x\n" CTE "8bit\nTo: a\n\nbody \xc3\xa9 = x \nline\t\nlast", "Subject: x\nTo: a\n" CTE
	    "quoted-printable\n\nbody =C3=A9 =3D x=20\nline=09\nlast", "", "8bit text");
	check(QP, CTE "7bit\n\nbody \xc3\xa9\n", CTE "7bit\n\nbody \xc3\xa9\n", "", "7bit that is none stays");
	check(QP, "Subject: x\n\nbody \xc3\xa9\n", "Subject: x\n\nbody \xc3\xa9\n", "", "no claim, no conversion");
	check(QP, CTE "8bit\n\n"
	    "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww \n", CTE "quoted-printable\n\n"
	    "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww=\nw=20\n", "", "soft break");
	check(QP,
	      "Content-Type: multipart/mixed; boundary=\"bb\"\n" CTE "8bit\n\npre \xc3\xa9\n--bb\n" CTE
	      "8bit\n\npart \xc3\xa9\n--bb\nContent-Type: message/rfc822\n" CTE "8bit\n\nSubject: in\n" CTE "8bit\n"
	      "To: (x) a\n\n\xc3\xa9\n--bb\nContent-Type: message/partial\n" CTE
	      "8bit\n\n\xc3\xa9\n--bb--\n\xc3\xa9\n--bb\nx\n",
	      "Content-Type: multipart/mixed; boundary=\"bb\"\n" CTE "7bit\n\npre \xc3\xa9\n--bb\n" CTE
	      "quoted-printable\n\npart =C3=A9\n--bb\nContent-Type: message/rfc822\n" CTE "7bit\n\nSubject: in\n"
	      "To: (x) a\n" CTE "quoted-printable\n\n=C3=A9\n--bb\nContent-Type: message/partial\n" CTE
	      "7bit\n\n=C3=A9\n"
	      "--bb--\n\xc3\xa9\n--bb\nx\n",
	      "", "a part of each kind");
	check(QP, "content-type: MULTIPART/Mixed; charset=x; BOUNDARY = \"a b\" (c); boundary=zz\n\n--a bxx\n"
	    CTE "8bit\n\n\xc3\xa9\n--zz\n" CTE "8bit\n\n\xc3\xa9\n",
	    "content-type: MULTIPART/Mixed; charset=x; BOUNDARY = \"a b\" (c); boundary=zz\n\n--a bxx\n"
	    CTE "quoted-printable\n\n=C3=A9\n--zz\n" CTE "8bit\n\n=C3=A9\n", "", "two boundaries");
	check(QP, "Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: in\n" CTE "8bit\n\n\xc3\xa9\n--a--\n",
	      "Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: in\n" CTE
	      "quoted-printable\n\n=C3=A9\n--a--\n",
	      "", "digest");
	check(MIME_DOWNGRADE, CTE "8bit\n\n\xc3\xa9\n", CTE "8bit\n\n\xc3\xa9\n", "", "no parsing, no conversion");
}

static void test_structure(void)
{
	check(MIME_PARSE, "Subject : x\nX-Foo\t :y\nX-Bar:z\n :foo\nb d: x\n\nq\n",
	    "Subject: x\nX-Foo:y\nX-Bar:z\n :foo\n\nb d: x\n\nq\n", "", "spaces before the colon, broken-off headers");
	check(MIME_PARSE, "Subject: x\n", "Subject: x\n", "", "headers only");
	check(MIME_PARSE, "", "", "", "nothing at all");
	check(MIME_PARSE, "\tleading\nSubject: x\n", "\n\tleading\nSubject: x\n", "", "no header at all");
	check(MIME_PARSE, "S\xc3\xbc" "bject: x\n\nq\n", "\nS\xc3\xbc" "bject: x\n\nq\n", "", "8-bit header name");
}

static void test_errors(void)
{
	enum {
		ALL = MIME_PARSE | MIME_REPORT_8BIT_HEADER | MIME_REPORT_8BIT_BODY | MIME_REPORT_ENCODING |
		      MIME_REPORT_NESTING
	};
	static const char nested[] =
	    "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n"
	    "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: multipart/mixed; boundary=d\n\n"
	    "--d\nContent-Type: multipart/mixed; boundary=e\n\n--e\nContent-Type: multipart/mixed; boundary=f\n\nx\n";
	struct seen s = { 0 };
	const struct mime_config small = { MIME_PARSE, 100, 3, 2048 };

	check(ALL, "Subject: \xc3\xa9\n\nbody \xc3\xa9\n", "Subject: \xc3\xa9\n\nbody \xc3\xa9\n",
	    "improper use of 8-bit data in message header: Subject: \xc3\xa9\n"
	    "improper use of 8-bit data in message body: body \xc3\xa9\n", "8-bit bytes");
	check(ALL, nested, nested, "MIME nesting exceeds safety limit: Content-Type: multipart/mixed; boundary=f\n",
	      "nesting");
	check(ALL, "Content-Type: message/rfc822\n" CTE "base64\n\nSubject: x\n\nx\n",
	    "Content-Type: message/rfc822\n" CTE "base64\n\nSubject: x\n\nx\n",
	    "invalid message/* or multipart/* encoding domain: base64\n", "encoding");
	check(ALL, "Content-Type: message/partial\nContent-Transfer-Encoding: \"8bit\"\n\nx\n",
	    "Content-Type: message/partial\nContent-Transfer-Encoding: \"8bit\"\n\nx\n", "", "a quoted word is no encoding");
	run(&small,
	    "Subject: 0123456789012345678901234567890123456789\n "
	    "0123456789012345678901234567890123456789012345678901234567890\n"
	    " dropped\nX: y\n\n",
	    0, &s);
	ok(strstr(s.out.p, "dropped") == NULL && strstr(s.out.p, "567890\nX: y\n\n") != NULL,
	   "long header loses its last lines");
	buf_release(&s.out);
	buf_release(&s.errors);
}

static void test_pieces(void)
{
	const struct mime_config c = { QP, 102400, 3, 2048 };
	struct seen s = { 0 };

	run(&c,
	    "Subject: a long subject that comes in pieces\nContent-Transfer-Encoding: 8bit\n\na long \xc3\xa9 line in "
	    "pieces \n",
	    30, &s);
	is_str(s.out.p,
	       "Subject: a long subject that comes in pieces\n" CTE
	       "quoted-printable\n\na long =C3=A9 line in pieces=20\n",
	       "lines in pieces");
	buf_release(&s.out);
	buf_release(&s.errors);
}

static void test_fast_path(void)
{
	const struct mime_config c = { MIME_PARSE, 102400, 3, 2048 };
	struct seen s = { 0 };
	struct mime *m = mime_new(&c, &hooks, &s);

	mime_line(m, "Subject: x", 10, false);
	ok(!mime_only_body(m), "not in the headers");
	mime_line(m, "", 0, false);
	ok(mime_only_body(m), "plain body");
	mime_free(&m);
	m = mime_new(&c, &hooks, &s);
	mime_line(m, "Content-Type: multipart/mixed; boundary=a", 41, false);
	mime_line(m, "", 0, false);
	ok(!mime_only_body(m), "multipart body");
	mime_free(&m);
	buf_release(&s.out);
}

static void test_names(void)
{
	is_int((intmax_t)hdr_name_len("To: x", 5), 2, "name");
	is_int((intmax_t)hdr_name_len("To \t: x", 7), 2, "name with blanks");
	is_int((intmax_t)hdr_name_len("T o: x", 6), 0, "blank inside");
	is_int((intmax_t)hdr_name_len(": x", 3), 0, "no name");
	is_int((intmax_t)hdr_name_len("To", 2), 0, "no colon");
	is_int(hdr_find("tO:", 2)->id, HDR_TO, "case");
	ok(hdr_find("Tox", 3) == NULL && hdr_find("Subject", 7) == NULL, "not in the table");
	is_int(hdr_find("DISPOSITION-notification-To:", 27)->id, HDR_DISP_NOTIFICATION, "longest name");
}

int main(void)
{
	test_downgrade();
	test_structure();
	test_errors();
	test_pieces();
	test_fast_path();
	test_names();
	return done_testing();
}
