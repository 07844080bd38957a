/* net.c - addresses and networks.
 * Many networks are kept in one hash table keyed by (family, length, masked address), beside a bit for each
 * prefix length in use: a look-up probes once per length that occurs, so ten thousand rules of a
 * dozen lengths cost a dozen probes, in a few bytes each. Each net keeps the lowest
 * number it was added with, which gives "the first rule wins" without any order here. */
#include <arpa/inet.h>

#include "room.h"

struct net_slot {
	uint8_t	 key[18];	/* family, length, address */
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

static struct net_slot *slot_of(struct net_slot *slots, size_t cap, const uint8_t key[18])
{
	size_t i = (size_t)hash_bytes(key, 18) & (cap - 1);

	while (slots[i].used && memcmp(slots[i].key, key, 18) != 0)
		i = (i + 1) & (cap - 1);
	return &slots[i];
}

static void nets_grow(struct nets *nets)
{
	size_t cap = nets->cap > 0 ? nets->cap * 2 : 16;
	struct net_slot *bigger = xcalloc(cap, sizeof(*bigger));

	for (size_t i = 0; i < nets->cap; i++)
		if (nets->slot[i].used)
			*slot_of(bigger, cap, nets->slot[i].key) = nets->slot[i];
	free(nets->slot);
	nets->slot = bigger;
	nets->cap = cap;
}

void nets_add(struct nets *nets, const struct net *net, size_t number)
{
	uint8_t key[18] = { net->v6, (uint8_t)net->bits };
	struct net_slot *slot;

	if ((nets->n + 1) * 2 > nets->cap)
		nets_grow(nets);
	memcpy(key + 2, net->addr, 16);
	mask_addr(key + 2, 16, net->bits);
	slot = slot_of(nets->slot, nets->cap, key);
	if (!slot->used) {
		slot->used = true;
		memcpy(slot->key, key, sizeof(key));
		slot->number = number;
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
	uint8_t key[18] = { ip->v6 };
	const uint64_t *lens = ip->v6 ? nets->v6_lens : nets->v4_lens;
	int top = ip->v6 ? 128 : 32;
	size_t best = NETS_NONE;

	if (nets->n == 0)
		return NETS_NONE;
	memcpy(key + 2, ip->addr, 16);
	for (int bits = top; bits >= 0; bits--) {	/* from long to short: bits are only taken away */
		const struct net_slot *slot;

		if ((lens[bits / 64] >> bits % 64 & 1) == 0)
			continue;
		key[1] = (uint8_t)bits;
		mask_addr(key + 2, ip->v6 ? 16 : 4, (unsigned)bits);
		slot = slot_of(nets->slot, nets->cap, key);
		if (slot->used && slot->number < best)
			best = slot->number;
	}
	return best;
}

void nets_release(struct nets *nets)
{
	free(nets->slot);
	*nets = (struct nets){ 0 };
}
