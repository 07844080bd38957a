/* net.c - addresses and networks.
 * Many networks are kept in one hash table keyed by (family, length, masked address), beside a bit for each
 * prefix length in use: a look-up probes once per length that occurs, so ten thousand rules of a
 * dozen lengths cost a dozen probes, in a few bytes each. Each net keeps the lowest
 * number it was added with, which gives "the first rule wins" without any order here. */
#include <arpa/inet.h>

#include "room.h"

enum { V6 = 256 };

struct net_slot {
	uint64_t hi, lo;	/* address, behind its length all zero */
	uint16_t kind;		/* length, and V6 */
	bool	 used;
	size_t	 number;
};

bool ip_parse(struct ip *ip, const char *text)
{
	ip->v6 = strchr(text, ':') != NULL;
	memset(ip->addr, 0, sizeof(ip->addr));
	return inet_pton(ip->v6 ? AF_INET6 : AF_INET, text, ip->addr) == 1;
}

static void mask_addr(uint8_t *addr, unsigned size, unsigned bits)
{
	for (unsigned i = 0; i < size; i++) {
		unsigned keep = bits > i * 8 ? MIN(bits - i * 8, 8u) : 0;

		addr[i] &= (uint8_t)(0xff00u >> keep);
	}
}

static char *host_bits(const struct net *net, const char *pattern)
{
	uint8_t masked[16];
	char text[INET6_ADDRSTRLEN];
	unsigned size = net->v6 ? 16 : 4;

	memcpy(masked, net->addr, sizeof(masked));
	mask_addr(masked, size, net->bits);
	if (memcmp(masked, net->addr, size) == 0)
		return NULL;
	inet_ntop(net->v6 ? AF_INET6 : AF_INET, masked, text, sizeof(text));
	return xasprintf("non-null host address bits in \"%s\", perhaps you should use \"%s/%u\" instead", pattern,
	    text,
	    net->bits);
}

/* "[addr]/len", "[addr/len]" and "[addr]" mean the same without brackets. */
static char *strip_brackets(char *text)
{
	char *end = strchr(text, ']');

	if (end == NULL)
		return xasprintf("missing ']' character after \"%s\"", text);
	if (end[1] != '\0' && end[1] != '/') {
		end[1] = '\0';
		return xasprintf("garbage after \"%s\"", text);
	}
	memmove(text, text + 1, (size_t)(end - text - 1));
	memmove(end - 1, end + 1, strlen(end + 1) + 1);
	return NULL;
}

char *net_parse(struct net *net, const char *pattern)
{
	char text[128], addr[128], *mask, *why;
	int64_t bits;
	struct ip ip;

	*net = (struct net){ 0 };
	if (str_copy(text, pattern, sizeof(text)) >= sizeof(text))
		return xasprintf("bad address pattern: \"%s\"", pattern);
	if (*text == '[' && (why = strip_brackets(text)) != NULL)
		return why;
	str_copy(addr, text, sizeof(addr));
	if ((mask = strchr(addr, '/')) != NULL)
		*mask++ = '\0';
	net->v6 = strchr(addr, ':') != NULL;
	net->bits = net->v6 ? 128 : 32;
	if (mask != NULL) {
		if (*mask == '\0' || mask[strspn(mask, "0123456789")] != '\0')
			return xasprintf("bad mask value in \"%s\"", text);
		if (!str_to_int(mask, 0, net->bits, &bits))
			return xasprintf("bad mask length in \"%s\"", text);
		if (!ip_parse(&ip, addr))
			return xasprintf("bad network value in \"%s\"", text);
		net->bits = (unsigned)bits;
	} else if (!ip_parse(&ip, addr)) {
		return xasprintf("bad address pattern: \"%s\"", text);
	}
	memcpy(net->addr, ip.addr, sizeof(net->addr));
	return host_bits(net, text);
}

bool net_has(const struct net *net, const struct ip *ip)
{
	uint8_t masked[16];

	if (net->v6 != ip->v6)
		return false;
	memcpy(masked, ip->addr, sizeof(masked));
	mask_addr(masked, net->v6 ? 16 : 4, net->bits);
	return memcmp(masked, net->addr, net->v6 ? 16 : 4) == 0;
}

/* The first 64 bits of an address, and the rest, as numbers; without the bits behind a length. */
static void halves(const uint8_t *addr, bool v6, uint64_t *hi_r, uint64_t *lo_r)
{
	uint64_t hi = 0, lo = 0;

	for (int i = 0; i < (v6 ? 8 : 4); i++) {
		hi = hi << 8 | addr[i];
		lo = lo << 8 | (v6 ? addr[8 + i] : 0);
	}
	*hi_r = v6 ? hi : hi << 32;
	*lo_r = lo;
}

static uint64_t keep(uint64_t half, unsigned bits)
{
	return bits == 0 ? 0 : bits >= 64 ? half : half & ~UINT64_C(0) << (64 - bits);
}

/* Who fills the table is trusted, so no keyed hash is needed: an address that is sought can meet no more than a run of
 * neighbours that the configuration made. */
static struct net_slot *slot_of(struct net_slot *slots, size_t cap, uint64_t hi, uint64_t lo, unsigned kind)
{
	uint64_t h = (hi ^ (uint64_t)kind << 7) * UINT64_C(0x9e3779b97f4a7c15) ^ lo * UINT64_C(0xc2b2ae3d27d4eb4f);
	size_t i;

	h ^= h >> 32;
	h *= UINT64_C(0xff51afd7ed558ccd);
	i = (size_t)(h >> 20) & (cap - 1);
	while (slots[i].used && (slots[i].hi != hi || slots[i].lo != lo || slots[i].kind != kind))
		i = (i + 1) & (cap - 1);
	return &slots[i];
}

static void nets_grow(struct nets *nets)
{
	size_t cap = nets->cap > 0 ? nets->cap * 2 : 16;
	struct net_slot *bigger = xcalloc(cap, sizeof(*bigger));

	for (size_t i = 0; i < nets->cap; i++) {
		const struct net_slot *s = &nets->slot[i];

		if (s->used)
			*slot_of(bigger, cap, s->hi, s->lo, s->kind) = *s;
	}
	free(nets->slot);
	nets->slot = bigger;
	nets->cap = cap;
}

void nets_add(struct nets *nets, const struct net *net, size_t number)
{
	unsigned kind = net->bits | (net->v6 ? V6 : 0u);
	struct net_slot *slot;
	uint64_t hi, lo;

	if ((nets->n + 1) * 2 > nets->cap)
		nets_grow(nets);
	halves(net->addr, net->v6, &hi, &lo);
	hi = keep(hi, net->bits);
	lo = keep(lo, net->bits > 64 ? net->bits - 64 : 0);
	slot = slot_of(nets->slot, nets->cap, hi, lo, kind);
	if (!slot->used) {
		*slot = (struct net_slot){ .hi = hi, .lo = lo, .kind = (uint16_t)kind, .used = true, .number = number };
		nets->n++;
		if (net->v6)
			nets->v6_lens[net->bits / 64] |= UINT64_C(1) << net->bits % 64;
		else
			nets->v4_lens[0] |= UINT64_C(1) << net->bits;
	} else {
		slot->number = MIN(slot->number, number);
	}
}

size_t nets_find(const struct nets *nets, const struct ip *ip)
{
	const uint64_t *lens = ip->v6 ? nets->v6_lens : nets->v4_lens;
	size_t words = ip->v6 ? NELEM(nets->v6_lens) : NELEM(nets->v4_lens), best = NETS_NONE;
	uint64_t hi, lo;

	if (nets->n == 0)
		return NETS_NONE;
	halves(ip->addr, ip->v6, &hi, &lo);
	for (size_t w = 0; w < words; w++) {
		for (uint64_t left = lens[w]; left != 0; left &= left - 1) {
			unsigned bits = (unsigned)w * 64 + (unsigned)__builtin_ctzll(left);
			const struct net_slot *slot = slot_of(nets->slot, nets->cap, keep(hi, bits),
			    keep(lo, bits > 64 ? bits - 64 : 0), bits | (ip->v6 ? V6 : 0u));

			if (slot->used && slot->number < best)
				best = slot->number;
		}
	}
	return best;
}

void nets_release(struct nets *nets)
{
	free(nets->slot);
	*nets = (struct nets){ 0 };
}
