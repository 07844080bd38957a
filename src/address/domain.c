/* domain.c - parts of an address, host names and address literals. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <idn2.h>

#include <postrider/table.h>

#include "address_room.h"

enum { MAX_LABEL = 63, MAX_HOSTNAME = 255 };

const char *address_domain(const char *internal)
{
	const char *at = strrchr(internal, '@');

	return at != NULL ? at + 1 : NULL;
}

const char *address_extension(const char *local_part, const struct extension_rules *rules)
{
	const char *at = strrchr(local_part, '@');
	size_t n = at != NULL ? (size_t)(at - local_part) : strlen(local_part);
	size_t pos;

	if (*rules->delimiters == '\0')
		return NULL;
	pos = addr_extension(local_part, n, rules->delimiters, rules->double_bounce, rules->owner_special);
	return pos < n ? local_part + pos + 1 : NULL;
}

static atomic_int idna_rules = IDN2_NONTRANSITIONAL;

void address_idna2003(bool on)
{
	atomic_store_explicit(&idna_rules, on ? IDN2_TRANSITIONAL : IDN2_NONTRANSITIONAL, memory_order_relaxed);
}

bool address_domain_to_ascii(struct buf *out, const char *domain)
{
	char *ascii = NULL;

	if (str_is_ascii(domain)) {
		for (; *domain != '\0'; domain++)
			buf_addc(out, (char)(*domain >= 'A' && *domain <= 'Z' ? *domain + ('a' - 'A') : *domain));
		return true;
	}
	if (idn2_to_ascii_8z(domain, &ascii, IDN2_NFC_INPUT | atomic_load(&idna_rules)) != IDN2_OK)
		return false;
	buf_adds(out, ascii);
	idn2_free(ascii);
	return true;
}

bool address_domain_to_utf8(struct buf *out, const char *domain)
{
	char *utf8 = NULL;

	if (idn2_to_unicode_8z8z(domain, &utf8, atomic_load(&idna_rules)) != IDN2_OK)
		return false;
	buf_adds(out, utf8);
	idn2_free(utf8);
	return true;
}

static bool valid_ascii_hostname(const char *name)
{
	size_t label = 0;
	bool word = false;
	const char *p;

	for (p = name; *p != '\0'; p++) {
		if (*p == '.') {
			if (label == 0 || p[1] == '\0')
				return false;
			label = 0;
			continue;
		}
		if (*p == '-' ? label == 0 || p[1] == '\0' || p[1] == '.' :
		    !isascii((unsigned char)*p) || (!isalnum((unsigned char)*p) && *p != '_'))
			return false;
		if (++label > MAX_LABEL)
			return false;
		word |= *p < '0' || *p > '9';
	}
	return word && p - name <= MAX_HOSTNAME;
}

bool address_valid_hostname(const char *name, bool utf8)
{
	struct buf ascii = { 0 };
	bool good;

	if (!utf8 || str_is_ascii(name))
		return valid_ascii_hostname(name);
	good = address_domain_to_ascii(&ascii, name) && valid_ascii_hostname(buf_str(&ascii));
	buf_release(&ascii);
	return good;
}

/* Four decimal bytes; leading zeros pass, a leading byte of 0 only in 0.0.0.0. */
static bool valid_ipv4(const char *s)
{
	int part = 0, value = -1, first = 0;
	bool all_zero = true;

	for (;; s++) {
		if (*s >= '0' && *s <= '9') {
			value = (value < 0 ? 0 : value) * 10 + (*s - '0');
			if (value > 255)
				return false;
		} else if (*s == '.' || *s == '\0') {
			if (value < 0)
				return false;
			if (part == 0)
				first = value;
			all_zero &= value == 0;
			part++;
			value = -1;
			if (*s == '\0')
				return part == 4 && (first != 0 || all_zero);
		} else
			return false;
	}
}

bool address_valid_ip(const char *text)
{
	struct in6_addr a6;

	return strchr(text, ':') != NULL ? inet_pton(AF_INET6, text, &a6) == 1 : valid_ipv4(text);
}

bool address_literal(const char *domain, char *out, size_t size)
{
	size_t n = strlen(domain);
	bool six;

	if (n < 3 || domain[0] != '[' || domain[n - 1] != ']')
		return false;
	domain++;
	n -= 2;
	six = str_iprefix(domain, "IPv6:");
	if (six) {
		domain += 5;
		n -= 5;
	}
	if (n >= size)
		return false;
	memcpy(out, domain, n);
	out[n] = '\0';
	return (strchr(out, ':') != NULL) == six && address_valid_ip(out);
}
