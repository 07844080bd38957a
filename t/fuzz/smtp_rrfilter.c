/* smtp_rrfilter.c - smtp_dns_reply_filter: the first line of the input is what the table says, then come records, each a kind,
 * four bytes of time to live, and a name or an address; the last line is their owner. What is dropped and what stays adds up. */
#include "smtp/client.h"
#include <stdlib.h>
#include <postrider/config.h>
#include <postrider/log.h>
#include <postrider/loop.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS = 20 };
static struct view view;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct log_target nowhere = { .path = "/dev/null" };
	char *why;

	(void)argc;
	(void)argv;
	loop_init();
	why = log_start(&nowhere);
	ASSERT(why == NULL);
	view.v[P_smtputf8_enable].flag = true;
	view.v[P_queue_directory].str = view.v[P_data_directory].str = "/nonexistent";
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	return 0;
}

/* The text up to the next newline; moves on. */
static char *take_line(const uint8_t **p, const uint8_t *end)
{
	const uint8_t *nl = memchr(*p, '\n', (size_t)(end - *p));
	char *text = xstrndup((const char *)*p, (size_t)((nl != NULL ? nl : end) - *p));

	*p = nl != NULL ? nl + 1 : end;
	return text;
}

static size_t take_records(const uint8_t **p, const uint8_t *end, struct dns_rr *rr, char **text)
{
	static const enum dns_type types[] = { DNS_MX, DNS_A, DNS_AAAA };
	static uint8_t bytes[RECORDS][16];
	size_t n = 0;

	for (; n < RECORDS && end - *p >= 24 && **p < 0x80; n++) {
		const uint8_t *q = *p;

		rr[n] = (struct dns_rr){ .type = types[q[0] % 3], .ttl_s = (uint32_t)q[1] << 24 | q[2], .pref = q[3], .next = n > 0 ? &rr[n - 1] : NULL };
		*p += 4;
		rr[n].len = rr[n].type == DNS_A ? 4 : 16;
		if (rr[n].type == DNS_MX) {
			rr[n].name = text[n] = take_line(p, end);
		} else {
			memcpy(bytes[n], *p, rr[n].len);
			rr[n].data = bytes[n];
			*p += rr[n].len;
		}
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *end = data + size;
	struct dns_rr rr[RECORDS];
	char *text[RECORDS] = { NULL }, *said, *owner, *maps_text;
	struct tables *set = tables_new(&view);
	struct rr_filter f = { .result = RR_WAIT };
	struct dns_answer answer = { .refs = 1 };
	struct task task = { .name = "fuzz" };
	struct maps *maps;
	size_t n, left = 0;
	enum rr_result r;

	said = take_line(&p, end);
	for (char *c = said; *c != '\0'; c++)	/* it stays one rule of one table */
		if (*c == '{' || *c == '}')
			*c = '_';
	n = take_records(&p, end, rr, text);
	owner = take_line(&p, end);
	answer.rr = n > 0 ? &rr[n - 1] : NULL;
	answer.canonical = owner;
	maps_text = xasprintf("pcre:{{/[02468]/ %s}}", said);
	maps = maps_new(set, "smtp_dns_reply_filter", maps_text, TABLE_ADDR, NULL);
	rr_filter_start(&f, &task, NULL, maps, &answer);
	r = rr_filter_poll(&f);
	for (size_t i = 0; i < n; i++)
		left += !f.drop[i];
	if (r == RR_SOME || r == RR_NONE)
		ASSERT((left > 0) == (r == RR_SOME));
	else
		ASSERT(r == RR_BAD);
	rr_filter_end(&f);
	tables_unref(&set);
	for (size_t i = 0; i < n; i++)
		free(text[i]);
	free(maps_text);
	free(owner);
	free(said);
	return 0;
}
