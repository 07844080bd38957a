/* rrfilter.c - smtp_dns_reply_filter: records of an answer that a table says to ignore.
 * Each is looked up as a zone file would have it, "example.com. 300 IN MX 10 mail.example.com."; IGNORE is the
 * only thing that a table may say. Tables may wait, so this is an operation. */
#include "client.h"
#include <arpa/inet.h>
#include <stdlib.h>

static const char *type_name(const struct dns_rr *rr)
{
	return rr->type == DNS_MX ? "MX" : rr->type == DNS_A ? "A" : "AAAA";
}

static void record_print(struct buf *out, const char *owner, const struct dns_rr *rr)
{
	char addr[INET6_ADDRSTRLEN] = "";

	buf_reset(out);
	buf_addf(out, "%s. %u IN %s ", owner, rr->ttl_s, type_name(rr));
	if (rr->type == DNS_MX)
		buf_addf(out, "%u %s.", rr->pref, rr->name);
	else if (inet_ntop(rr->type == DNS_A ? AF_INET : AF_INET6, rr->data, addr, sizeof(addr)) != NULL)
		buf_adds(out, addr);
}

static void ask(struct rr_filter *f)
{
	record_print(&f->text, f->answer->canonical, f->rr);
	maps_start(&f->op, f->task, f->log, f->maps, buf_str(&f->text), MAPS_ALL);
}

void rr_filter_start(struct rr_filter *f, struct task *task, const struct log_ctx *log, const struct maps *maps,
    const struct dns_answer *answer)
{
	size_t n = 0;

	for (const struct dns_rr *rr = answer->rr; rr != NULL; rr = rr->next)
		n++;
	f->task = task;
	f->log = log;
	f->maps = maps;
	f->answer = answer;
	f->drop = xcalloc(MAX(n, 1), sizeof(*f->drop));
	f->rr = answer->rr;
	if (f->rr != NULL)
		ask(f);
}

/* "IGNORE", whatever follows. */
static bool is_ignore(const char *action)
{
	size_t n = strcspn(action, " ,\t\r\n");

	return n == 6 && strncasecmp(action, "ignore", n) == 0;
}

/* What the table says about this record. */
static void judge(struct rr_filter *f, enum table_result r)
{
	if (r == TABLE_ERROR) {
		f->result = RR_BAD;
	} else if (r == TABLE_FOUND && !is_ignore(f->op.value)) {
		log_warn(f->log, "%s: unknown DNS filter action: \"%s\"", maps_title(f->maps), f->op.value);
		f->result = RR_BAD;
	} else if (r == TABLE_FOUND) {
		log_info(f->log, "ignoring DNS RR: %s", buf_str(&f->text));
		f->drop[f->i] = true;
	} else {
		f->left++;
	}
}

enum rr_result rr_filter_poll(struct rr_filter *f)
{
	ASSERT(f->task != NULL);
	while (f->result == RR_WAIT && f->rr != NULL) {
		enum table_result r = maps_poll(&f->op);

		if (r == TABLE_WAIT)
			return RR_WAIT;
		judge(f, r);
		maps_end(&f->op);
		f->i++;
		f->rr = f->rr->next;
		if (f->rr != NULL && f->result == RR_WAIT)
			ask(f);
	}
	if (f->result == RR_WAIT)
		f->result = f->left > 0 ? RR_SOME : RR_NONE;
	return f->result;
}

void rr_filter_end(struct rr_filter *f)
{
	maps_end(&f->op);
	buf_release(&f->text);
	free(f->drop);
	*f = (struct rr_filter){ 0 };
}
