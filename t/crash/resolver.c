/* resolver.c - for LD_PRELOAD: a name server that does not answer. getaddrinfo() of a name that ends in ".hang.test"
 * returns after half a minute, with a temporary failure; others are looked up as ever. */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

enum { HANGS_S = 30 };

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	static const char end[] = ".hang.test";
	size_t len = node != NULL ? strlen(node) : 0;

	if (len > sizeof(end) && strcmp(node + len - strlen(end), end) == 0) {
		sleep(HANGS_S);
		return EAI_AGAIN;
	}
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(node, service, hints, res);
}
