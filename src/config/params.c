/* The table itself, and names to rows by binary search: params.def is sorted by name, which the
 * unit test holds it to. */
#include <postrider/config.h>

const struct param_row param_rows[PARAM_COUNT] = {
#define PARAM(name, type, def, lo, hi, standing, text) { #name, type, def, lo, hi, standing, text },
#include <postrider/params.def>
#undef PARAM
};

const struct param_row *param_find(const char *name)
{
	size_t lo = 0, hi = PARAM_COUNT;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(name, param_rows[mid].name);

		if (c == 0)
			return &param_rows[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}
