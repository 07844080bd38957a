/* replay.c - a fuzz target without a fuzzer: feeds it each file that the arguments name, so that what was once found
 * stays found, and that targets and program stay together, with any compiler. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

enum { INPUT_MAX = 1 << 20 };

int main(int argc, char **argv)
{
	if (LLVMFuzzerInitialize != NULL && LLVMFuzzerInitialize(&argc, &argv) != 0)
		return 1;
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "r");
		uint8_t *data = malloc(INPUT_MAX);
		size_t size;

		if (f == NULL || data == NULL) {
			perror(argv[i]);
			return 1;
		}
		size = fread(data, 1, INPUT_MAX, f);
		fclose(f);
		data = realloc(data, size > 0 ? size : 1);	/* no room behind it: a sanitizer sees who reads on */
		printf("%s\n", argv[i]);
		fflush(stdout);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	return 0;
}
