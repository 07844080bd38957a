/* thread.c - threads that leave signals alone. The mask is inherited, so it is set around the
 * creation; id_r is a pthread_t, which is an unsigned long on Linux. */
#include <pthread.h>
#include <signal.h>

#include <postrider/base.h>

bool thread_start(const char *name, void *(*run)(void *), void *arg, unsigned long *id_r)
{
	sigset_t all, old;
	pthread_t id;
	int rc;

	_Static_assert(sizeof(pthread_t) == sizeof(*id_r), "pthread_t");
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&id, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return false;
	pthread_setname_np(id, name);
	*id_r = id;
	return true;
}
