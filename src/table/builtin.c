/* builtin.c - the table types every build has. */
#include "room.h"

const struct table_class *const table_builtin[] = {
	&table_static,
	&table_inline,
	&table_texthash,
	&table_fail,
	&table_environ,
	&table_lmdb,
	&table_hash,
	&table_btree,
	&table_unix,
	&table_cidr,
	&table_regexp,
	&table_pcre,
	&table_unionmap,
	&table_pipemap,
	&table_randmap,
	&table_internal,
	&table_socketmap,
	&table_tcp,
	&table_memcache,
	&table_sqlite,
	NULL,
};
