/* packet.c - queries into bytes, bytes into answers.
 * ldns knows the format (compression pointers, lengths); what an answer means is decided here. A packet
 * counts only if its id and its question are ours; records count only if their owner is
 * the name asked or one its CNAMEs lead to, so what a careless or hostile server adds beside is not
 * looked at. Records that name something which cannot be a host are dropped; if nothing else is
 * there, the answer as a whole is malformed (Postfix's DNS_INVAL). */
#include <ldns/ldns.h>

#include "room.h"

enum { TEXT_MAX = 1024, TTL_MAX_S = 86400, NEGATIVE_TTL_MAX_S = 3600, CHAIN_MAX = 16 };

/* ---- writing ----------------------------------------------------------------------------------- */

bool packet_query(struct buf *out, uint16_t id, const char *name, enum dns_type type, bool edns, size_t *question_r)
{
	ldns_rdf *dname;
	ldns_pkt *pkt;
	uint8_t *wire = NULL;
	size_t n = 0;
	bool done = false;

	if (ldns_str2rdf_dname(&dname, *name != '\0' ? name : ".") != LDNS_STATUS_OK)
		return false;
	*question_r = ldns_rdf_size(dname) + 4;
	pkt = ldns_pkt_query_new(dname, (ldns_rr_type)type, LDNS_RR_CLASS_IN, LDNS_RD);	/* takes dname */
	if (pkt == NULL) {
		ldns_rdf_deep_free(dname);
		return false;
	}
	ldns_pkt_set_id(pkt, id);
	ldns_pkt_set_ad(pkt, true);	/* RFC 6840 §5.7: "understands and is interested in the value of the AD bit" */
	if (edns)
		ldns_pkt_set_edns_udp_size(pkt, UDP_SIZE);
	if (ldns_pkt2wire(&wire, pkt, &n) == LDNS_STATUS_OK && n > 12 + *question_r - 1) {
		buf_add(out, wire, n);
		done = true;
	}
	free(wire);
	ldns_pkt_free(pkt);
	return done;
}

/* ---- answers as one block ------------------------------------------------------------------------ */

void draft_reset(struct draft *d)
{
	d->n = 0;
	buf_reset(&d->bytes);
	buf_reset(&d->warn);
	buf_addc(&d->bytes, '\0');	/* place 0 means none */
}

static struct draft_rr *draft_add(struct draft *d, enum dns_type type, uint32_t ttl_s)
{
	struct draft_rr *rr;

	if (d->n == d->cap) {
		d->cap = d->cap > 0 ? d->cap * 2 : 16;
		d->rr = xreallocarray(d->rr, d->cap, sizeof(*d->rr));
	}
	rr = &d->rr[d->n++];
	*rr = (struct draft_rr){ .type = type, .ttl_s = ttl_s };
	return rr;
}

static size_t draft_bytes(struct draft *d, const void *p, size_t n)
{
	size_t at = d->bytes.len;

	buf_add(&d->bytes, p, n);
	buf_addc(&d->bytes, '\0');
	return at;
}

/* Everything in one allocation: the answer, its records, the bytes and texts they point at. */
struct dns_answer *answer_new(const struct draft *d, const char *canonical, const char *why, int rcode, bool secure)
{
	size_t n = d != NULL ? d->n : 0, bytes = d != NULL ? d->bytes.len : 0, warn = d != NULL ? d->warn.len : 0;
	size_t canonical_len = strlen(canonical) + 1, why_len = why != NULL ? strlen(why) + 1 : 0;
	size_t texts = bytes + warn + 1 + canonical_len + why_len;
	struct dns_answer *a = xcalloc(1, sizeof(*a) + n * sizeof(struct dns_rr) + texts);
	struct dns_rr *rr = (struct dns_rr *)(void *)(a + 1);
	char *text = (char *)(rr + n);

	a->refs = 1;
	a->rcode = rcode;
	a->secure = secure;
	if (bytes > 0)
		memcpy(text, d->bytes.p, bytes);
	for (size_t i = 0; i < n; i++) {
		const struct draft_rr *from = &d->rr[i];

		rr[i] = (struct dns_rr){ .next = i + 1 < n ? &rr[i + 1] : NULL, .type = from->type,
		    .ttl_s = from->ttl_s,
			.pref = from->pref, .weight = from->weight, .port = from->port, .len = from->len };
		if (from->name > 0)
			rr[i].name = text + from->name;
		if (from->data > 0)
			rr[i].data = (uint8_t *)text + from->data;
	}
	a->rr = n > 0 ? rr : NULL;
	text += bytes;
	if (warn > 0) {
		a->warnings = memcpy(text, d->warn.p, warn);
		text += warn + 1;
	}
	a->canonical = memcpy(text, canonical, canonical_len);
	if (why != NULL)
		a->why = memcpy(text + canonical_len, why, why_len);
	return a;
}

struct dns_answer *answer_ref(const struct dns_answer *a)
{
	struct dns_answer *mutable = (struct dns_answer *)(uintptr_t)a;

	mutable->refs++;
	return mutable;
}

void answer_unref(const struct dns_answer *a)
{
	struct dns_answer *mutable = (struct dns_answer *)(uintptr_t)a;

	if (mutable != NULL && --mutable->refs == 0)
		free(mutable);
}

/* ---- reading ------------------------------------------------------------------------------------- */

static bool rdf_name(char out[NAME_MAX_TEXT], const ldns_rdf *rdf)
{
	return rdf != NULL && ldns_rdf_get_type(rdf) == LDNS_RDF_TYPE_DNAME &&
	    name_from_wire(out, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
}

static unsigned rdf_16(const ldns_rdf *rdf)
{
	return rdf != NULL && ldns_rdf_size(rdf) == 2 ? ldns_rdf2native_int16(rdf) : 0;
}

/* Character strings one after the other; what cannot be printed becomes a space, as in Postfix. */
static void read_text(struct draft *d, struct draft_rr *rr, const ldns_rr *from)
{
	char text[TEXT_MAX];
	size_t o = 0;

	for (size_t i = 0; i < ldns_rr_rd_count(from); i++) {
		const ldns_rdf *rdf = ldns_rr_rdf(from, i);
		const uint8_t *p = ldns_rdf_data(rdf);

		for (size_t k = 1; k < ldns_rdf_size(rdf) && o < sizeof(text); k++)
			text[o++] = p[k] >= ' ' && p[k] < 127 ? (char)p[k] : ' ';
	}
	rr->data = draft_bytes(d, text, o);
	rr->len = o;
}

static bool read_bytes(struct draft *d, struct draft_rr *rr, const ldns_rr *from, size_t fields, size_t want)
{
	uint8_t data[1024];
	size_t o = 0;

	for (size_t i = 0; i < fields; i++) {
		const ldns_rdf *rdf = i < ldns_rr_rd_count(from) ? ldns_rr_rdf(from, i) : NULL;

		if (rdf == NULL || ldns_rdf_size(rdf) > sizeof(data) - o)
			return false;
		memcpy(data + o, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
		o += ldns_rdf_size(rdf);
	}
	if (want > 0 && o != want)
		return false;
	rr->data = draft_bytes(d, data, o);
	rr->len = o;
	return true;
}

/* Which field of the type names a host; -1: none. */
static int name_field(enum dns_type type)
{
	switch (type) {
	case DNS_MX:
		return 1;
	case DNS_SRV:
		return 3;
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		return 0;
	default:
		return -1;
	}
}

/* False: the record is not fit for use. */
static bool read_record(struct draft *d, const ldns_rr *from, enum dns_type type, const char *asked)
{
	struct draft_rr *rr = draft_add(d, type, ldns_rr_ttl(from));
	int field = name_field(type);
	char name[NAME_MAX_TEXT];
	bool good = true;

	if (field >= 0) {
		bool root_means_none = type == DNS_MX || type == DNS_SRV;

		good = rdf_name(name, (size_t)field < ldns_rr_rd_count(from) ? ldns_rr_rdf(from,
		    (size_t)field) : NULL) &&
		    ((root_means_none && *name == '\0') || name_in_record(name, "resource data", type, asked,
		    &d->warn));
		if (good)
			rr->name = draft_bytes(d, name, strlen(name));
	}
	if (type == DNS_MX || type == DNS_SRV)
		rr->pref = rdf_16(ldns_rr_rdf(from, 0));
	if (type == DNS_SRV && good) {
		rr->weight = rdf_16(ldns_rr_rdf(from, 1));
		rr->port = rdf_16(ldns_rr_rdf(from, 2));
	}
	if (type == DNS_A)
		good = read_bytes(d, rr, from, 1, 4);
	else if (type == DNS_AAAA)
		good = read_bytes(d, rr, from, 1, 16);
	else if (type == DNS_TLSA)
		good = read_bytes(d, rr, from, 4, 0) && rr->len > 3;
	else if (type == DNS_TXT)
		read_text(d, rr, from);
	if (!good)
		d->n--;
	return good;
}

/* Follows CNAMEs within the answer from reply->canonical. True if there were any. */
static bool follow_chain(struct reply *r, const ldns_rr_list *list, uint32_t *ttl_s)
{
	char owner[NAME_MAX_TEXT], target[NAME_MAX_TEXT];
	bool any = false, moved = true;

	for (int step = 0; moved && step < CHAIN_MAX; step++) {
		moved = false;
		for (size_t i = 0; i < ldns_rr_list_rr_count(list) && !moved; i++) {
			const ldns_rr *rr = ldns_rr_list_rr(list, i);

			if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_CNAME || !rdf_name(owner, ldns_rr_owner(rr)) ||
			    strcmp(owner, r->canonical) != 0 || !rdf_name(target, ldns_rr_rdf(rr, 0)))
				continue;
			*ttl_s = MIN(*ttl_s, ldns_rr_ttl(rr));
			memcpy(r->canonical, target, sizeof(target));
			any = moved = true;
		}
	}
	return any;
}

/* RFC 2308 §5: "the minimum of the MINIMUM field of the SOA record and the TTL of the SOA itself". */
static bool negative_ttl(const ldns_rr_list *authority, uint32_t *ttl_s)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(authority); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(authority, i);

		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA && ldns_rr_rd_count(rr) == 7) {
			uint32_t minimum = ldns_rdf2native_int32(ldns_rr_rdf(rr, 6));

			*ttl_s = MIN(MIN(ldns_rr_ttl(rr), minimum), (uint32_t)NEGATIVE_TTL_MAX_S);
			return true;
		}
	}
	return false;
}

static void read_answer(struct reply *r, struct draft *d, const ldns_pkt *pkt, enum dns_type type, const char *asked)
{
	const ldns_rr_list *list = ldns_pkt_answer(pkt);
	char owner[NAME_MAX_TEXT];
	uint32_t ttl_s = TTL_MAX_S;
	bool chain = type != DNS_CNAME && follow_chain(r, list, &ttl_s), bad = false;

	for (size_t i = 0; i < ldns_rr_list_rr_count(list) && d->n < RECORDS_MAX; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);

		if (ldns_rr_get_type(rr) != (ldns_rr_type)type || ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN ||
		    !rdf_name(owner, ldns_rr_owner(rr)) || strcmp(owner, r->canonical) != 0)
			continue;
		if (read_record(d, rr, type, asked))
			ttl_s = MIN(ttl_s, ldns_rr_ttl(rr));
		else
			bad = true;
	}
	r->ttl_s = ttl_s;
	if (d->n > 0) {
		r->what = REPLY_RECORDS;
	} else if (bad) {
		r->what = REPLY_INVALID;
		r->ttl_s = MIN(ttl_s, 60u);
	} else {
		bool authority = negative_ttl(ldns_pkt_authority(pkt), &r->ttl_s);

		if (!authority)
			r->ttl_s = 0;
		r->what = chain && !authority ? REPLY_CNAME : REPLY_NODATA;
	}
}

static bool same_question(const uint8_t *a, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t x = a[i], y = b[i];

		if (i + 4 < n) {	/* the name; lengths are below 'A' */
			x = (uint8_t)(x >= 'A' && x <= 'Z' ? x + 32 : x);
			y = (uint8_t)(y >= 'A' && y <= 'Z' ? y + 32 : y);
		}
		if (x != y)
			return false;
	}
	return true;
}

static void read_rcode(struct reply *r, struct draft *d, const ldns_pkt *pkt, enum dns_type type, bool edns,
    const char *asked)
{
	switch (r->rcode) {
	case LDNS_RCODE_NOERROR:
		read_answer(r, d, pkt, type, asked);
		break;
	case LDNS_RCODE_NXDOMAIN:
		r->what = REPLY_NXDOMAIN;
		if (!negative_ttl(ldns_pkt_authority(pkt), &r->ttl_s))
			r->ttl_s = 0;
		break;
	case LDNS_RCODE_FORMERR:	/* RFC 6891 §7: servers that do not know EDNS say this */
		r->what = edns ? REPLY_NO_EDNS : REPLY_FORMERR;
		break;
	case LDNS_RCODE_NOTIMPL:
		r->what = edns ? REPLY_NO_EDNS : REPLY_TRY_NEXT;
		break;
	default:
		r->what = REPLY_TRY_NEXT;
		break;
	}
}

void packet_read(struct reply *r, struct draft *d, const uint8_t *p, size_t n, uint16_t id, const uint8_t *question,
    size_t question_len, const char *name, enum dns_type type, bool edns, const char *asked)
{
	ldns_pkt *pkt = NULL;

	r->what = REPLY_IGNORE;
	r->rcode = 0;
	r->ad = r->malformed = false;
	r->ttl_s = 0;
	draft_reset(d);
	if (n < 12 || (p[0] << 8 | p[1]) != id || (p[2] & 0xf8) != 0x80)	/* id, QR, opcode QUERY */
		return;
	r->rcode = p[3] & 15;
	/* An error may come without the question; an answer must repeat it. */
	if ((p[4] << 8 | p[5]) == 0 && r->rcode != LDNS_RCODE_NOERROR && r->rcode != LDNS_RCODE_NXDOMAIN) {
		read_rcode(r, d, NULL, type, edns, asked);
		return;
	}
	if ((p[4] << 8 | p[5]) != 1 || n < 12 + question_len || !same_question(p + 12, question, question_len))
		return;
	if ((p[2] & 0x02) != 0) {
		r->what = REPLY_TRUNCATED;
		return;
	}
	if (ldns_wire2pkt(&pkt, p, n) != LDNS_STATUS_OK) {
		r->what = REPLY_TRY_NEXT;
		r->malformed = true;
		return;
	}
	r->ad = ldns_pkt_ad(pkt);
	for (char *o = r->canonical; ; name++) {
		*o++ = (char)(*name >= 'A' && *name <= 'Z' ? *name + 32 : *name);
		if (*name == '\0')
			break;
	}
	read_rcode(r, d, pkt, type, edns, asked);
	ldns_pkt_free(pkt);
}
