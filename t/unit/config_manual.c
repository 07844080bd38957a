/* man/main.cf.5 is what the table makes: "build/bin/postconf -E >man/main.cf.5" renews it. */
#include <postrider/configedit.h>
#include <postrider/file.h>
#include <stdlib.h>
#include "tap.h"

int main(void)
{
	static const char *const places[] = { "man/main.cf.5", "../man/main.cf.5", "../../man/main.cf.5" };
	char *page = NULL, *made = NULL;
	size_t len = 0, page_len = 0, i, line = 1;
	FILE *f = open_memstream(&made, &len);

	ASSERT(f != NULL);
	postconf_manual(f);
	fclose(f);
	for (i = 0; i < NELEM(places) && page == NULL; i++)
		page = file_read(places[i], 4 << 20, &page_len);
	ok(page != NULL, "the page is there");
	for (i = 0; page != NULL && i < page_len && i < len && page[i] == made[i]; i++)
		if (page[i] == '\n')
			line++;
	ok(page != NULL && page_len == len && i == len, "and current (line %zu)", line);
	free(page);
	free(made);
	return done_testing();
}
