/* A piece of work in parts, on threads that live as long as the process and sleep between pieces.

   Who asks does parts, too. While one caller has the threads, others do all of theirs alone. A thread that has just
   worked looks out for more for a moment before it sleeps: to wake it takes as long as a small layer. */

typedef void (*Part)(const void *work, long part, long parts);

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { WORKERS_AT_MOST = 63, LOOKOUT_NANOSECONDS = 100000 };

/* All but what is atomic is read and written under `lock`. */
static struct {
    pthread_mutex_t caller, lock;
    pthread_cond_t begun, done;
    Part run;
    const void *work;
    long workers, parts, next;
    atomic_long pieces, finished;
} POOL = {.caller = PTHREAD_MUTEX_INITIALIZER,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .begun = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};

/* Wait a moment for a number to be another, or to be a certain one. */
static void look_out(atomic_long *number, long value, int until_equal) {
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        for (int i = 0; i < 64; i++) {
            if ((atomic_load(number) == value) == until_equal) return;
#if defined(__x86_64__) && defined(__GNUC__)
            __builtin_ia32_pause();
#endif
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec < LOOKOUT_NANOSECONDS);
}

/* Do parts until none is left to begin. The lock is held at first and at last. */
static void do_parts(void) {
    while (POOL.next < POOL.parts) {
        const long part = POOL.next++, parts = POOL.parts;
        const Part run = POOL.run;
        const void *work = POOL.work;
        pthread_mutex_unlock(&POOL.lock);
        run(work, part, parts);
        pthread_mutex_lock(&POOL.lock);
        if (atomic_fetch_add(&POOL.finished, 1) + 1 == parts) pthread_cond_signal(&POOL.done);
    }
}

static void *worker(void *nothing) {
    (void)nothing;
    long seen = 0;
    for (;;) {
        look_out(&POOL.pieces, seen, 0);
        pthread_mutex_lock(&POOL.lock);
        while (atomic_load(&POOL.pieces) == seen) pthread_cond_wait(&POOL.begun, &POOL.lock);
        seen = atomic_load(&POOL.pieces);
        do_parts();
        pthread_mutex_unlock(&POOL.lock);
    }
    return NULL;
}

/* A child has no thread but the one that forked. */
static void after_fork(void) {
    static const pthread_mutex_t free_lock = PTHREAD_MUTEX_INITIALIZER;
    static const pthread_cond_t free_condition = PTHREAD_COND_INITIALIZER;
    POOL.caller = POOL.lock = free_lock;
    POOL.begun = POOL.done = free_condition;
    POOL.workers = POOL.parts = POOL.next = 0;
}

static void add_workers(long wanted) {
    static int watching;
    if (!watching) watching = pthread_atfork(NULL, NULL, after_fork) == 0;
    for (; watching && POOL.workers < wanted; POOL.workers++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, worker, NULL) != 0) return;
        pthread_detach(thread);
    }
}

static void in_parts(Part run, const void *work, long parts) {
    if (parts > WORKERS_AT_MOST + 1) parts = WORKERS_AT_MOST + 1;
    if (parts <= 1 || pthread_mutex_trylock(&POOL.caller) != 0) {
        run(work, 0, 1);
        return;
    }
    add_workers(parts - 1);
    pthread_mutex_lock(&POOL.lock);
    POOL.run = run;
    POOL.work = work;
    POOL.parts = parts;
    POOL.next = 0;
    atomic_store(&POOL.finished, 0);
    atomic_fetch_add(&POOL.pieces, 1);
    pthread_cond_broadcast(&POOL.begun);
    do_parts();
    pthread_mutex_unlock(&POOL.lock);
    look_out(&POOL.finished, parts, 1);
    pthread_mutex_lock(&POOL.lock);
    while (atomic_load(&POOL.finished) < parts) pthread_cond_wait(&POOL.done, &POOL.lock);
    pthread_mutex_unlock(&POOL.lock);
    pthread_mutex_unlock(&POOL.caller);
}
#else
static void in_parts(Part run, const void *work, long parts) {
    (void)parts;
    run(work, 0, 1);
}
#endif

/* Where a part of `count` things begins, in multiples of `step`. */
static long part_start(long count, long step, long part, long parts) {
    return part == parts ? count : count * part / parts / step * step;
}
