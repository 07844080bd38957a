/* dns_answer.c - any bytes as a name server's answer. The first two bytes choose type and options, the rest is
 * the packet, with our id and question put in so that the interesting parts are reached. */
#include "dns/room.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = { DNS_A, DNS_NS, DNS_CNAME, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA, DNS_SRV,
	    DNS_TLSA };
	static struct draft draft;
	static volatile unsigned last;	/* read, so that a wrong length is seen */
	struct reply r;
	struct buf query = { 0 };
	enum dns_type type;
	size_t question;
	uint8_t *packet;
	const char *name = "a.b.test";

	if (size < 2)
		return 0;
	type = types[data[0] % NELEM(types)];
	size -= 2;
	packet = xmalloc(size + 1);
	memcpy(packet, data + 2, size);
	ASSERT(packet_query(&query, 0x1234, name, type, (data[1] & 1) != 0, &question));
	if ((data[1] & 2) == 0 && size >= 12 + question) {
		packet[0] = 0x12;
		packet[1] = 0x34;
		packet[2] = 0x80;
		packet[4] = 0;
		packet[5] = 1;
		memcpy(packet + 12, query.p + 12, question);
	}
	packet_read(&r, &draft, packet, size, 0x1234, (const uint8_t *)query.p + 12, question, name, type,
	    (data[1] & 1) != 0, name);
	if (r.what == REPLY_RECORDS || r.what == REPLY_INVALID) {
		struct dns_answer *a = answer_new(&draft, r.canonical, "why", r.rcode, r.ad);
		size_t n = 0;

		for (const struct dns_rr *rr = a->rr; rr != NULL; rr = rr->next) {
			ASSERT(rr->type == type);
			ASSERT(rr->name == NULL || strlen(rr->name) < NAME_MAX_TEXT);
			ASSERT(rr->name == NULL || *rr->name == '\0' || name_can_be_asked(rr->name) ||
			    name_is_address(rr->name));
			ASSERT(type != DNS_A || rr->len == 4);
			last = rr->len > 0 ? last + rr->data[rr->len - 1] : last;
			n++;
		}
		ASSERT((n > 0) == (r.what == REPLY_RECORDS) && n <= RECORDS_MAX);
		answer_unref(a);
	}
	buf_release(&query);
	free(packet);
	return 0;
}
