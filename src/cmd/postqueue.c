/* postqueue.c - the queue's listing for people (-p) and programs (-j), and flushing (-f, -i, -s). Listings are printed as they
 * come, message by message, so a million of them need no memory. Texts, columns and exit statuses are those of
 * Postfix's postqueue(1). */
#include "cmd.h"
#include <postrider/address.h>
#include <postrider/buf.h>
#include <postrider/control.h>
#include <postrider/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define FAIL(...)	log_fatal_status(EX_UNAVAILABLE, __VA_ARGS__)

enum mode { MODE_NONE, MODE_LIST, MODE_JSON, MODE_FLUSH, MODE_FLUSH_ID, MODE_FLUSH_SITE };

/* One row of the listing, strings borrowed. */
struct row {
	const char	*queue, *id, *sender;
	long long	 arrival, size;
	bool		 expired;
};
struct printer {
	bool		 json, long_ids;
	unsigned long	 messages, recipients;	/* recipients of the current message */
	long long	 bytes;
	struct buf	 line;			/* JSON: the object being made */
	char		*reason;		/* text: the last one printed for this message */
};

static void usage(void)
{
	FAIL("usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site");
}

/* ---- printing ------------------------------------------------------------------------------------------- */

/* The id with its marks takes 11 columns, with long ids 17, the size fills up to 19 or 26. Our short ids have 12 digits,
 * Postfix's up to so many: the size gives way first. */
static void text_message(struct printer *p, const struct row *r)
{
	int id_width = p->long_ids ? 17 : 11, all = p->long_ids ? 26 : 19, n;
	char id[64], when[32];
	time_t t = (time_t)r->arrival;
	struct tm tm;

	if (p->messages == 0)
		fputs(p->long_ids ? "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n" :
		    "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n", stdout);
	else
		putchar('\n');
	n = snprintf(id, sizeof(id), "%s%s%s%s", r->id, strcmp(r->queue, "active") == 0 ? "*" : "",
	    strcmp(r->queue, "hold") == 0 ? "!" : "", r->expired ? "#" : "");
	n = MAX(n + ((size_t)n == strlen(r->id)), id_width);	/* a column for the mark in any case */
	localtime_r(&t, &tm);
	strftime(when, sizeof(when), "%a %b %e %H:%M:%S ", &tm);
	printf("%-*s %*lld %.*s %s\n", n, id, MAX(all - n - 1, 1), r->size, p->long_ids ? 19 : 20, when,
	    r->sender[0] != '\0' ? r->sender : "MAILER-DAEMON");
	free(p->reason);
	p->reason = NULL;
}

static void text_rcpt(struct printer *p, const char *addr, const char *reason)
{
	char *in;

	if (reason[0] != '\0' && (p->reason == NULL || strcmp(p->reason, reason) != 0)) {
		in = xasprintf("(%s)", reason);
		printf("%78s\n", in);
		free(in);
		free(p->reason);
		p->reason = xstrdup(reason);
	}
	printf("%*s%s\n", p->long_ids ? 47 : 41, "", addr);
}

static void json_end(struct printer *p)
{
	if (p->messages == 0)
		return;
	buf_adds(&p->line, "]}\n");
	fwrite(p->line.p, 1, p->line.len, stdout);
	buf_reset(&p->line);
}

static void json_message(struct printer *p, const struct row *r)
{
	json_end(p);
	buf_adds(&p->line, "{\"queue_name\": ");
	buf_add_json(&p->line, r->queue);
	buf_adds(&p->line, ", \"queue_id\": ");
	buf_add_json(&p->line, r->id);
	buf_addf(&p->line, ", \"arrival_time\": %lld, \"message_size\": %lld, \"forced_expire\": %s, \"sender\": ", r->arrival,
	    r->size, r->expired ? "true" : "false");
	buf_add_json(&p->line, r->sender[0] != '\0' ? r->sender : "MAILER-DAEMON");
	buf_adds(&p->line, ", \"recipients\": [");
}

static void json_rcpt(struct printer *p, const char *addr, const char *reason)
{
	buf_adds(&p->line, p->recipients > 0 ? ", {\"address\": " : "{\"address\": ");
	buf_add_json(&p->line, addr);
	if (reason[0] != '\0') {
		buf_adds(&p->line, ", \"delay_reason\": ");
		buf_add_json(&p->line, reason);
	}
	buf_addc(&p->line, '}');
	if (p->line.len > 65536) {		/* many recipients */
		fwrite(p->line.p, 1, p->line.len, stdout);
		buf_reset(&p->line);
	}
}

static void print_message(struct printer *p, const struct row *r)
{
	if (p->json)
		json_message(p, r);
	else
		text_message(p, r);
	p->messages++;
	p->recipients = 0;
	p->bytes += r->size;
}

static void print_rcpt(struct printer *p, const char *addr, const char *reason)
{
	if (p->json)
		json_rcpt(p, addr, reason);
	else
		text_rcpt(p, addr, reason);
	p->recipients++;
}

static void print_end(struct printer *p)
{
	if (p->json)
		json_end(p);
	else if (p->messages == 0)
		puts("Mail queue is empty");
	else
		printf("\n-- %lld Kbytes in %lu Request%s.\n", p->bytes / 1024, p->messages, p->messages == 1 ? "" : "s");
	if (fflush(stdout) != 0 || ferror(stdout))
		FAIL("write error: %s", strerror(errno));
	buf_release(&p->line);
	free(p->reason);
}

/* ---- listing -------------------------------------------------------------------------------------------- */

/* The next string of a frame, NULL at its end. */
static const char *next_str(const char **p, const char *end)
{
	const char *s = *p, *nul = s < end ? memchr(s, '\0', (size_t)(end - s)) : NULL;

	if (nul == NULL)
		return NULL;
	*p = nul + 1;
	return s;
}

static void print_frame(struct printer *out, const struct buf *b)
{
	const char *p = buf_str(b), *end = p + b->len, *kind = next_str(&p, end), *arrival, *size, *expired, *addr, *reason;
	struct row r;

	if (kind == NULL)
		return;
	if (strcmp(kind, "M") == 0) {
		r.queue = next_str(&p, end);
		r.id = next_str(&p, end);
		arrival = next_str(&p, end);
		size = next_str(&p, end);
		expired = next_str(&p, end);
		if ((r.sender = next_str(&p, end)) == NULL)
			FAIL("malformed showq server response");
		r.arrival = atoll(arrival);
		r.size = atoll(size);
		r.expired = expired[0] == '1';
		print_message(out, &r);
	}
	while ((addr = next_str(&p, end)) != NULL && (reason = next_str(&p, end)) != NULL)
		print_rcpt(out, addr, reason);
}

static void print_maildrop(void *arg, const struct maildrop_file *f)
{
	const char *sender = cmd_maildrop_attr(f, "sender");
	struct row r = { .queue = "maildrop", .id = f->name, .sender = sender != NULL ? sender : "", .arrival = f->arrival,
		.size = f->size };
	size_t i;

	print_message(arg, &r);
	for (i = 0; i < f->attrs.n; i++)
		if (strncmp(f->attrs.v[i], "rcpt=", 5) == 0)
			print_rcpt(arg, f->attrs.v[i] + 5, "");
}

static int list(const struct view *v, bool json)
{
	struct printer out = { .json = json, .long_ids = view_bool(v, enable_long_queue_ids) };
	struct control_conn *conn;
	struct buf b = { 0 };
	enum cmd_queue q;
	int err, type = 'O';

	q = cmd_queue_open(v, false, &conn, &err);
	if (q != CMD_QUEUE_UP && getuid() != 0)
		cmd_require_user(v, "authorized_mailq_users", "view the mail queue");
	if (q == CMD_QUEUE_DENIED || (q == CMD_QUEUE_NONE && getuid() != 0 && !cmd_is_queue_owner(v)))
		FAIL("Queue report unavailable - mail system is down (Connect to the %s showq service: %s)", view_str(v, mail_name),
		    strerror(err));
	if (q != CMD_QUEUE_UP) {
		log_warn(NULL, "Mail system is down -- accessing queue directly (Connect to the %s showq service: %s)",
		    view_str(v, mail_name), strerror(err));
		cmd_maildrop_each(v, print_maildrop, &out);
	}
	if (conn != NULL) {
		if (control_send(conn, "list", NULL) < 0)
			FAIL("the mail system went away");
		while ((type = control_recv(conn, &b)) == 'D')
			print_frame(&out, &b);
	}
	if (type == 'E')
		FAIL("%s", buf_str(&b));
	if (type != 'O')
		FAIL("malformed showq server response");
	print_end(&out);
	control_disconnect(&conn);
	buf_release(&b);
	return 0;
}

/* ---- flushing ------------------------------------------------------------------------------------------- */

static int flush(const struct view *v, const char *attr, const char *value)
{
	struct control_conn *conn;
	struct buf b = { 0 };
	struct strs a = { 0 };
	char *text;
	int err, type;

	conn = control_connect(view_str(v, queue_directory), &err);
	if (conn == NULL)
		cmd_require_user(v, "authorized_flush_users", "flush the mail queue");
	if (conn == NULL && attr != NULL && strcmp(attr, "site") == 0 && !cmd_matches(v, "fast_flush_domains", true, value))
		FAIL("Flush service is not configured for destination \"%s\"", value);
	if (conn == NULL && attr != NULL && strcmp(attr, "id") == 0)
		log_warn(NULL, "connect to public/flush: %s", strerror(err));
	if (conn == NULL)
		FAIL("Cannot flush mail queue - mail system is down");
	if (attr != NULL) {
		text = xasprintf("%s=%s", attr, value);
		strs_add(&a, text);
		free(text);
	}
	if (control_send(conn, "flush", &a) < 0)
		FAIL("the mail system went away");
	while ((type = control_recv(conn, &b)) == 'A' || type == 'D')
		continue;
	if (type == 'E')
		FAIL("%s", buf_str(&b));
	if (type != 'O')
		FAIL("the mail system went away");
	control_disconnect(&conn);
	buf_release(&b);
	strs_release(&a);
	return 0;
}

static int flush_id(const struct view *v, const char *id)
{
	if (!cmd_queue_id_ok(id))
		FAIL("Cannot flush queue ID - invalid name: \"%s\"", id);
	return flush(v, "id", id);
}

static int flush_site(const struct view *v, const char *site)
{
	char literal[64];

	if (site[0] == '[' ? !address_literal(site, literal, sizeof(literal)) : !address_valid_hostname(site, false))
		FAIL("Cannot flush mail queue - invalid destination: \"%s\"", site);
	return flush(v, "site", site);
}

int main(int argc, char **argv)
{
	const char *dir = NULL, *arg = NULL;
	enum mode mode = MODE_NONE, chosen;
	const struct view *v;
	struct config *config;
	int c, rc;

	argv[0] = (char *)(uintptr_t)cmd_name(argv[0]);
	log_program("postqueue");
	cmd_fatal_status = EX_UNAVAILABLE;
	while ((c = getopt(argc, argv, "+c:fi:jps:v")) != -1) {
		switch (c) {
		case 'c':
			dir = optarg;
			continue;
		case 'v':
			continue;
		case 'f':
			chosen = MODE_FLUSH;
			break;
		case 'i':
			chosen = MODE_FLUSH_ID;
			break;
		case 'j':
			chosen = MODE_JSON;
			break;
		case 'p':
			chosen = MODE_LIST;
			break;
		case 's':
			chosen = MODE_FLUSH_SITE;
			break;
		default:
			usage();
			return EX_UNAVAILABLE;
		}
		if (mode != MODE_NONE)
			usage();
		mode = chosen;
		arg = optarg;
	}
	if (mode == MODE_NONE || optind < argc)
		usage();
	config = cmd_load(dir != NULL ? dir : config_default_dir());
	v = config_view(config);
	switch (mode) {
	case MODE_LIST:
	case MODE_JSON:
		rc = list(v, mode == MODE_JSON);
		break;
	case MODE_FLUSH_ID:
		rc = flush_id(v, arg);
		break;
	case MODE_FLUSH_SITE:
		rc = flush_site(v, arg);
		break;
	default:
		rc = flush(v, NULL, NULL);
	}
	config_unref(&config);
	return rc;
}
