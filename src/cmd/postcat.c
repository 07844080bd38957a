/* postcat.c - shows a message as the records of the queue file that Postfix would have: what scripts and eyes are used to.
 * The envelope is laid out with the offsets of such a file (-o), the content streams through. Texts and exit statuses
 * are those of Postfix's postcat(1). */
#include "cmd.h"
#include <postrider/buf.h>
#include <postrider/control.h>
#include <postrider/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SHOW_ENVELOPE = 1, SHOW_HEADER = 2, SHOW_BODY = 4, SHOW_TYPE = 8, SHOW_OFFSET = 16, SHOW_RAW = 32 };
enum { SIZE_RECORD = 97, MARK_RECORD = 2 };

struct cat {
	unsigned	 flags;
	char		*path;		/* "deferred/6/64..." */
	const char	*id;
	struct strs	 records;	/* type letter and text */
	struct strs	 extracted;	/* those behind the content */
	bool		 behind;	/* records are of that kind now */
	unsigned	 notify;	/* of any recipient */
	bool		 content;	/* the envelope was printed */
	long		 offset;	/* where the next record would stand */
	struct buf	 line;		/* unfinished content line */
	bool		 body, any_line;
};

static size_t record_len(size_t n)
{
	size_t head = 2, left;

	for (left = n; left >= 128; left >>= 7)
		head++;
	return head + n;
}

static void prefix(const struct cat *c, char type)
{
	if (c->flags & SHOW_OFFSET)
		printf("%9ld ", c->offset);
	if (c->flags & SHOW_TYPE)
		printf("%3d ", type);
}

static void mark(struct cat *c, char type, const char *what)
{
	if (c->flags & SHOW_ENVELOPE) {
		if (type != 'C')
			prefix(c, type);
		printf("*** %s %s ***\n", what, c->path);
	}
	if (type != 'C')
		c->offset += MARK_RECORD;
}

static void print_time(const char *name, const char *value)
{
	time_t t = (time_t)atoll(value);
	struct tm tm;
	char text[64];

	localtime_r(&t, &tm);
	strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
	printf("%s: %s\n", name, text);
}

static void print_record(struct cat *c, char type, const char *text)
{
	static const struct { char type; const char *name; } names[] = {
		{ 'F', "sender_fullname" }, { 'S', "sender" }, { 'O', "original_recipient" }, { 'R', "recipient" },
		{ 'D', "done_recipient" }, { 'L', "content_filter" }, { 'V', "verp_delimiters" }, { '>', "redirect_to" }, { 'A', "named_attribute" },
	};
	size_t i;

	if ((c->flags & SHOW_ENVELOPE) == 0)
		return;
	prefix(c, type);
	if (type == 'T') {
		print_time("message_arrival_time", text);
	} else if (type == 'A' && strncmp(text, "create_time=", 12) == 0) {
		print_time("create_time", text + 12);
	} else {
		for (i = 0; i < NELEM(names); i++)
			if (names[i].type == type)
				printf("%s: %s\n", names[i].name, text);
	}
}

/* What a record of this kind would hold. */
static size_t text_len(char type, const char *text)
{
	return type == 'T' ? strcspn(text, " ") + 7 : strlen(text);
}

static void one_record(struct cat *c, const char *r)
{
	print_record(c, r[0], r + 1);
	c->offset += (long)record_len(text_len(r[0], r + 1));
}

/* Everything before the content, now that all of it is known: the first record says where the content begins. */
static void print_envelope(struct cat *c)
{
	long long size = 0, content = 0;
	unsigned rcpts = 0, qmgr = c->notify << 1;	/* as qmgr's flags have them */
	int utf8 = 0;
	long at = 0;
	size_t i;

	for (i = 0; i < c->records.n; i++) {
		const char *r = c->records.v[i];

		if (r[0] == 'C' && sscanf(r + 1, "%lld %u %lld %d", &size, &rcpts, &content, &utf8) == 4)
			at += SIZE_RECORD;
		else
			at += (long)record_len(text_len(r[0], r + 1));
	}
	mark(c, 'C', "ENVELOPE RECORDS");
	for (i = 0; i < c->records.n; i++) {
		const char *r = c->records.v[i];

		if (r[0] == 'C') {
			if (c->flags & SHOW_ENVELOPE) {
				prefix(c, 'C');
				printf("message_size: %15lld %15ld %15u %15u %15lld %15d\n", size, at + MARK_RECORD, rcpts, qmgr, content, utf8);
			}
			c->offset += SIZE_RECORD;
			continue;
		}
		one_record(c, r);
	}
	mark(c, 'M', "MESSAGE CONTENTS");
	c->content = true;
	strs_release(&c->records);
}

static void print_line(struct cat *c)
{
	size_t n = c->line.len;

	if (n > 0 && c->line.p[n - 1] == '\r')
		n--;
	if (c->flags & (c->body ? SHOW_BODY : SHOW_HEADER)) {
		prefix(c, 'N');
		if (c->flags & SHOW_RAW)
			fputs("regular_text: ", stdout);
		fwrite(buf_str(&c->line), 1, n, stdout);
		putchar('\n');
	}
	c->offset += (long)record_len(n);
	buf_reset(&c->line);
}

static void print_content(struct cat *c, bool body, const char *p, size_t n)
{
	const char *end = p + n, *eol;

	if (body && !c->body) {
		if (c->line.len > 0)
			print_line(c);
		c->body = true;
		print_line(c);		/* the empty line */
	}
	for (; p < end; p = eol + 1) {
		eol = memchr(p, '\n', (size_t)(end - p));
		buf_add(&c->line, p, (size_t)((eol != NULL ? eol : end) - p));
		if (eol == NULL)
			return;
		print_line(c);
	}
}

static void print_end(struct cat *c)
{
	size_t i;

	if (!c->content)
		print_envelope(c);
	if (c->line.len > 0)
		print_line(c);
	mark(c, 'X', "HEADER EXTRACTED");
	for (i = 0; i < c->extracted.n; i++)
		one_record(c, c->extracted.v[i]);
	mark(c, 'E', "MESSAGE FILE END");
	if (fflush(stdout) != 0)
		log_fatal("write error: %s", strerror(errno));
}

static void cat_release(struct cat *c)
{
	strs_release(&c->records);
	strs_release(&c->extracted);
	buf_release(&c->line);
	free(c->path);
}

/* ---- where it comes from ----------------------------------------------------------------------------------- */

/* Postfix keeps deferred mail in directories by the first character of the id. */
static char *queue_path(const char *queue, const char *id)
{
	return strcmp(queue, "deferred") == 0 ? xasprintf("%s/%c/%s", queue, id[0], id) : xasprintf("%s/%s", queue, id);
}

static void take_frame(struct cat *c, int type, const struct buf *b)
{
	if (type == 'A' && b->len > 0 && b->p[0] == 'Q')
		c->path = queue_path(b->p + 1, c->id);
	else if (type == 'A' && b->len > 0 && b->p[0] == 'X')
		c->behind = true;
	else if (type == 'A' && b->len > 0)
		strs_addn(c->behind ? &c->extracted : &c->records, b->p, b->len);
	if (type == 'A' && str_iprefix(buf_str(b), "Anotify_flags="))
		c->notify |= (unsigned)atoi(b->p + 14);
	if (type == 'D' && b->len > 0) {
		if (!c->content)
			print_envelope(c);
		print_content(c, b->p[0] == 'B', b->p + 1, b->len - 1);
	}
}

static void add_record(struct cat *c, char type, const char *text)
{
	char *r = xasprintf("%c%s", type, text);

	strs_add(&c->records, r);
	free(r);
}

static bool from_maildrop(struct cat *c, const struct view *v)
{
	struct maildrop_file f;
	const char *s;
	char when[48];
	size_t i;

	if (!cmd_maildrop_read(v, c->id, &f))
		return false;
	c->path = queue_path("maildrop", c->id);
	snprintf(when, sizeof(when), "%lld 0", f.arrival);
	add_record(c, 'T', when);
	add_record(c, 'A', cmd_maildrop_attr(&f, "gateway") != NULL ? "rewrite_context=remote" : "rewrite_context=local");
	if ((s = cmd_maildrop_attr(&f, "full_name")) != NULL)
		add_record(c, 'F', s);
	s = cmd_maildrop_attr(&f, "sender");
	add_record(c, 'S', s != NULL ? s : "");
	for (i = 0; i < f.attrs.n; i++)
		if (strncmp(f.attrs.v[i], "rcpt=", 5) == 0)
			add_record(c, 'R', f.attrs.v[i] + 5);
	print_envelope(c);
	c->body = true;			/* not looked into: all of it, or nothing */
	if (c->flags & (SHOW_BODY | SHOW_HEADER))
		c->flags |= SHOW_BODY;
	print_content(c, true, buf_str(&f.content), f.content.len);
	print_end(c);
	cmd_maildrop_release(&f);
	return true;
}

static void show_id(const struct view *v, unsigned flags, const char *id)
{
	struct cat c = { .flags = flags, .id = id };
	struct control_conn *conn = NULL;
	struct buf b = { 0 };
	struct strs a = { 0 };
	int err, type = -1;
	char *text;

	if (!cmd_queue_id_ok(id))
		log_fatal("bad mail queue ID: %s", id);
	if (!cmd_is_queue_owner(v))
		log_fatal("open queue file %s: Permission denied", id);
	if (from_maildrop(&c, v)) {
		cat_release(&c);
		return;
	}
	switch (cmd_queue_open(v, false, &conn, &err)) {
	case CMD_QUEUE_NONE:
		log_fatal("open queue file %s: No such file or directory", id);
	case CMD_QUEUE_DENIED:
		log_fatal("open queue file %s: %s", id, strerror(err));
	default:
		break;
	}
	text = xasprintf("id=%s", id);
	strs_add(&a, text);
	free(text);
	if (control_send(conn, "show", &a) == 0)
		while ((type = control_recv(conn, &b)) == 'A' || type == 'D')
			take_frame(&c, type, &b);
	if (type == 'E')
		log_fatal("%s", buf_str(&b));
	if (type != 'O')
		log_fatal("the mail system went away");
	print_end(&c);
	control_disconnect(&conn);
	cat_release(&c);
	strs_release(&a);
	buf_release(&b);
}

/* Queue files of Postfix itself are not ours to read: maildrop files are named by -q. */
static void show_file(const char *name, int64_t offset)
{
	FILE *f = name != NULL ? fopen(name, "r") : stdin;
	int64_t skipped = 0;

	if (f == NULL)
		log_fatal("open %s: %s", name, strerror(errno));
	while (f == stdin && skipped < offset && getc(f) != EOF)
		skipped++;
	if (f == stdin && skipped < offset)
		log_fatal("stdin: skip %lld bytes failed after %lld", (long long)offset, (long long)skipped);
	if (getc(f) != EOF)
		log_warn(NULL, "%s: input is not a valid queue file", name != NULL ? name : "stdin");
	else if (ferror(f))
		log_warn(NULL, "close %s: %s", name != NULL ? name : "stdin", strerror(errno));
	if (f != stdin)
		fclose(f);
}

int main(int argc, char **argv)
{
	const char *dir = NULL;
	unsigned flags = 0;
	bool queue = false;
	struct config *config;
	int64_t offset = 0;
	int c;

	log_program(argv[0]);		/* as it was called, like Postfix's */
	while ((c = getopt(argc, argv, "+bc:dehoqrs:v")) != -1) {
		switch (c) {
		case 'b':
			flags |= SHOW_BODY;
			break;
		case 'c':
			dir = optarg;
			break;
		case 'd':
			flags |= SHOW_TYPE;
			break;
		case 'e':
			flags |= SHOW_ENVELOPE;
			break;
		case 'h':
			flags |= SHOW_HEADER;
			break;
		case 'o':
			flags |= SHOW_OFFSET;
			break;
		case 'q':
			queue = true;
			break;
		case 'r':
			break;		/* in the order of the file: there is no other */
		case 's':	/* where in the file to begin */
			if (!str_to_int(optarg, 0, INT64_MAX, &offset))
				log_fatal("bad offset: %s", optarg);
			break;
		case 'v':
			flags |= SHOW_RAW;
			break;
		default:
			log_fatal("usage: %s [-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)] "
			    "[-h (header text)] [-q (access queue)] [-v] [file(s)...]", argv[0]);
		}
	}
	if ((flags & (SHOW_BODY | SHOW_ENVELOPE | SHOW_HEADER)) == 0)
		flags |= SHOW_BODY | SHOW_ENVELOPE | SHOW_HEADER;
	config = cmd_load(dir != NULL ? dir : config_default_dir());
	if (optind == argc && !queue)
		show_file(NULL, offset);
	for (; optind < argc; optind++) {
		if (queue)
			show_id(config_view(config), flags, argv[optind]);
		else
			show_file(argv[optind], offset);
	}
	config_unref(&config);
	return 0;
}
