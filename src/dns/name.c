/* name.c - domain names as text and on the wire.
 * What Postfix's valid_hostname() refuses is refused here, in its words: a name in an answer is
 * peer-supplied text that ends up in headers, logs and look-up keys. */
#include <arpa/inet.h>
#include <ctype.h>

#include "room.h"

const char *dns_type_name(enum dns_type type)
{
	switch (type) {
	case DNS_A:
		return "A";
	case DNS_NS:
		return "NS";
	case DNS_CNAME:
		return "CNAME";
	case DNS_PTR:
		return "PTR";
	case DNS_MX:
		return "MX";
	case DNS_TXT:
		return "TXT";
	case DNS_AAAA:
		return "AAAA";
	case DNS_SRV:
		return "SRV";
	case DNS_TLSA:
		return "TLSA";
	}
	return "Unknown type";
}

bool name_from_wire(char out[NAME_MAX_TEXT], const uint8_t *p, size_t n)
{
	size_t o = 0, i = 0;

	while (i < n && p[i] != 0) {
		size_t len = p[i++];

		if (len > 63 || len > n - i || o + len * 4 + 2 > NAME_MAX_TEXT)
			return false;
		if (o > 0)
			out[o++] = '.';
		for (; len > 0; len--, i++) {
			uint8_t c = p[i];

			if (c > ' ' && c < 127 && strchr("\".;\\()@$", c) == NULL) {
				out[o++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
			} else if (c > ' ' && c < 127) {
				out[o++] = '\\';
				out[o++] = (char)c;
			} else {
				out[o++] = '\\';
				out[o++] = (char)('0' + c / 100);
				out[o++] = (char)('0' + c / 10 % 10);
				out[o++] = (char)('0' + c % 10);
			}
		}
	}
	out[o] = '\0';
	return i < n;
}

bool name_is_address(const char *name)
{
	uint8_t addr[16];

	return inet_pton(AF_INET, name, addr) == 1 || inet_pton(AF_INET6, name, addr) == 1;
}

/* What is wrong with the name, NULL if nothing; the phrase may contain %d for the odd character. */
static const char *name_fault(const char *name, bool wildcard, int *odd_r)
{
	size_t label = 0, labels = 0;
	bool numeric = true;
	const char *p;

	if (*name == '\0')
		return "empty hostname";
	for (p = name; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < 128 && (isalnum(c) || c == '_')) {
			labels += label == 0;
			if (++label > 63)
				return "hostname label too long";
			numeric = numeric && isdigit(c);
		} else if (wildcard && c == '*') {
			if (label > 0 || labels > 0 || (p[1] != '\0' && p[1] != '.'))
				return "'*' can be the first label only";
			labels++;
			label++;
			numeric = false;
		} else if (c == '.') {
			if (label == 0 || p[1] == '\0')
				return "misplaced delimiter";
			label = 0;
		} else if (c == '-') {
			numeric = false;
			if (++label == 1 || p[1] == '\0' || p[1] == '.')
				return "misplaced hyphen";
		} else {
			*odd_r = c;
			return "invalid character";
		}
	}
	if (numeric)
		return "numeric hostname";
	return p - name > NAME_MAX_HOST ? "bad length" : NULL;
}

bool dns_valid_hostname(const char *name, const char **why_r)
{
	int odd;
	const char *why = name_fault(name, false, &odd);

	if (why_r != NULL)
		*why_r = why;
	return why == NULL;
}

bool name_can_be_asked(const char *name)
{
	int odd;

	return name_fault(name, true, &odd) == NULL;
}

bool name_in_record(const char *name, const char *where, enum dns_type type, const char *asked, struct buf *warn)
{
	bool address = name_is_address(name);
	int odd = 0;
	const char *why = address ? NULL : name_fault(name, true, &odd);

	if (!address && why == NULL)
		return true;
	if (warn->len > 4096)
		return address;
	if (odd > 0)
		buf_addf(warn, "valid_hostname: %s %d(decimal): %.100s\n", why, odd, name);
	else if (!address)
		buf_addf(warn, "valid_hostname: %s: %.100s\n", why, name);
	buf_addf(warn, "%s domain name in %s of %s record for %s: %.100s\n", address ? "numeric" : "malformed", where,
	    dns_type_name(type), asked, name);
	return address;
}

void dns_ptr_name(char out[80], const struct sockaddr *sa)
{
	static const char hex[] = "0123456789abcdef";
	char *o = out;

	if (sa->sa_family == AF_INET) {
		const uint8_t *p = (const uint8_t *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;

		snprintf(out, 80, "%u.%u.%u.%u.in-addr.arpa", p[3], p[2], p[1], p[0]);
		return;
	}
	*o = '\0';
	if (sa->sa_family == AF_INET6) {
		const uint8_t *p = (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;

		for (int i = 15; i >= 0; i--) {
			*o++ = hex[p[i] & 15];
			*o++ = '.';
			*o++ = hex[p[i] >> 4];
			*o++ = '.';
		}
		memcpy(o, "ip6.arpa", sizeof("ip6.arpa"));
	}
}
