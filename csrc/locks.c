/* locks.c: locks of shared variables: one for each container that some Function updates. */
#define NO_IMPORT_ARRAY
#include "dispatch.h"

static storage_lock *all_locks;                         /* under the GIL */

storage_lock *gradc_lock_of(PyObject *storage)
{
    for (storage_lock *lock = all_locks; lock; lock = lock->next)
        if (lock->storage == storage) {
            ++lock->users;
            return lock;
        }
    storage_lock *made = PyMem_RawCalloc(1, sizeof *made);
    if (!made)
        return NULL;
    pthread_mutex_init(&made->mutex, NULL);
    made->storage = storage;
    made->users = 1;
    made->next = all_locks;
    all_locks = made;
    return made;
}

void gradc_drop_lock(storage_lock *lock)
{
    if (--lock->users)
        return;
    storage_lock **place = &all_locks;
    while (*place != lock)
        place = &(*place)->next;
    *place = lock->next;
    pthread_mutex_destroy(&lock->mutex);
    PyMem_RawFree(lock);
}

/* In a forked child the threads that held locks are gone; values are whole, since they change under the GIL. */
static void reset_locks(void)
{
    for (storage_lock *lock = all_locks; lock; lock = lock->next) {
        pthread_mutex_init(&lock->mutex, NULL);
        lock->held = 0;
    }
}

static void unlock_first(Function *self, Py_ssize_t n)
{
    while (n--) {
        self->locks[n]->held = 0;
        pthread_mutex_unlock(&self->locks[n]->mutex);
    }
}

/* All locks in the order of their addresses; waits without the GIL. */
int gradc_lock_all(Function *self)
{
    for (Py_ssize_t k = 0; k < self->n_updates; ++k) {
        storage_lock *lock = self->locks[k];
        if (lock->held && pthread_equal(lock->owner, pthread_self())) {
            unlock_first(self, k);
            PyErr_Format(gradc_ExecutionError, "function %U was called while a call in the same thread updates the "
                         "same shared variables; call it after that one has returned", self->title);
            return -1;
        }
        if (pthread_mutex_trylock(&lock->mutex)) {
            Py_BEGIN_ALLOW_THREADS
            pthread_mutex_lock(&lock->mutex);
            Py_END_ALLOW_THREADS
        }
        lock->owner = pthread_self();
        lock->held = 1;
    }
    return 0;
}

void gradc_unlock_all(Function *self)
{
    unlock_first(self, self->n_updates);
}

void gradc_locks_start(void)
{
    pthread_atfork(NULL, NULL, reset_locks);
}
