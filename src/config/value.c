/* Text to C type, with Postfix's words and bounds: as there, a bound of 0 is no bound, so that a negative number
 * passes where the least allowed one would be 0. */
#include "internal.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

bool config_parse_bool(const char *s, bool *r)
{
	if (str_ieq(s, "yes"))
		*r = true;
	else if (str_ieq(s, "no"))
		*r = false;
	else
		return false;
	return true;
}

/* Only the first character behind the number counts as the unit, as in Postfix ("5sec" is five seconds). */
bool config_parse_time(const char *s, char default_unit, int *secs_r)
{
	static const struct {
		char	unit;
		int	secs;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	char *end, unit;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	if (errno == ERANGE || n < 0 || n > INT_MAX || *s == '\0')
		return false;
	unit = *end != '\0' ? *end : default_unit;
	for (size_t i = 0; i < NELEM(units); i++) {
		if (units[i].unit != unit)
			continue;
		if (n > INT_MAX / units[i].secs)
			return false;
		*secs_r = (int)n * units[i].secs;
		return true;
	}
	return false;
}

char value_default_unit(const char *def)
{
	while (*def != '\0' && !isalpha((unsigned char)*def))
		def++;
	return *def != '\0' ? *def : 's';
}

static char *parse_number(const struct param_row *row, const char *text, int64_t max, int64_t *r)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno == ERANGE || n > max || n < -max - 1)
		return xasprintf("bad numerical configuration: %s = %s", row->name, text);
	if (row->lo != 0 && n < row->lo)
		return xasprintf("invalid %s parameter value %lld < %lld", row->name, n, (long long)row->lo);
	if (row->hi != 0 && n > row->hi)
		return xasprintf("invalid %s parameter value %lld > %lld", row->name, n, (long long)row->hi);
	*r = n;
	return NULL;
}

char *value_parse_row(const struct param_row *row, const char *text, char unit, union param_value *r)
{
	size_t len;
	int64_t n;
	char *why;

	switch (row->type) {
	case PT_STR:
	case PT_RAW:
		len = strlen(text);
		if (row->lo > 0 && len < (size_t)row->lo)
			return xasprintf("bad string length %zu < %lld: %s = %s", len, (long long)row->lo, row->name,
			    text);
		if (row->hi > 0 && len > (size_t)row->hi)
			return xasprintf("bad string length %zu > %lld: %s = %s", len, (long long)row->hi, row->name,
			    text);
		r->str = text;
		return NULL;
	case PT_INT:
		if ((why = parse_number(row, text, INT_MAX, &n)) == NULL)
			r->num = (int)n;
		return why;
	case PT_LONG:
		if ((why = parse_number(row, text, INT64_MAX, &n)) == NULL)
			r->big = n;
		return why;
	case PT_TIME:
		if (!config_parse_time(text, unit, &r->num))
			return xasprintf("parameter %s: bad time value or unit: %s", row->name, text);
		if (r->num < row->lo)
			return xasprintf("invalid %s: %d (min %d)", row->name, r->num, (int)row->lo);
		if (row->hi != 0 && r->num > row->hi)
			return xasprintf("invalid %s: %d (max %d)", row->name, r->num, (int)row->hi);
		return NULL;
	case PT_BOOL:
		if (!config_parse_bool(text, &r->flag))
			return xasprintf("bad boolean configuration: %s = %s", row->name, text);
		return NULL;
	}
	return NULL;
}

void config_known_ports(const char *list, void (*fn)(void *arg, const char *name, int port), void *arg)
{
	char *copy = xstrdup(list), *cursor = copy, *word, *name;
	int64_t port;

	while ((word = str_tok(&cursor, ", \t\r\n")) != NULL) {
		char *last = strrchr(word, '=');

		if (last == NULL || !str_to_int(last + 1, 1, 65535, &port))
			continue;
		*last = '\0';
		while ((name = str_tok(&word, "=")) != NULL)
			fn(arg, name, (int)port);
	}
	free(copy);
}
