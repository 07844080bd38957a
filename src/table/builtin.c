/* builtin.c - the table types every build has. */
#include "room.h"

const struct table_class *const table_builtin[] = {
	&table_static,
	&table_inline,
	&table_texthash,
	&table_fail,
	&table_environ,
	NULL,
};
