/* service.h - private to src/service: what the two files share. */
#ifndef SERVICE_PRIVATE_H
#define SERVICE_PRIVATE_H
#include <postrider/service.h>
#include <sys/socket.h>

enum { HOOKS_MAX = 32, CLASSES_MAX = 32 };

struct listen_addr {
	char		 text[80];	/* "192.0.2.1:25", "[::1]:25", "0.0.0.0:25" */
	size_t		 service;	/* index into the generation's services */
};
struct generation {
	struct config	*config;
	struct tables	*tables;
	struct service	*service;	/* nservice of them, in master.cf's order */
	size_t		 nservice;
	struct listen_addr *listen;
	size_t		 nlisten;
	void		*state[HOOKS_MAX];	/* of the generation hooks */
	unsigned	 session_limit;
	unsigned	 refs;
};

/* Fills g->listen from master.cf and inet_interfaces. Blocking: host names are looked up. */
void	listen_plan(struct generation *g, struct problems *);
void	listen_resume(struct service *);		/* one session less: accept again if it was full */
void	listen_session(int change);
void	generation_adopted(struct generation *g);	/* becomes the current one; takes over the reference */
#endif
