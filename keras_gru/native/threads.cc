#include "threads.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace keras_gru {
namespace {

// Looks at the other threads before a thread sleeps: the jobs of a call follow one
// another within microseconds, and waking a thread takes longer than that.
constexpr int kLooks = 2000;

// Times that a team's leader waits longer than that before it does without helpers:
// their processors are then taken by somebody else.
constexpr int64_t kPatience = 8;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class Lock {
 public:
  explicit Lock(pthread_mutex_t& mutex) : mutex_(mutex) { pthread_mutex_lock(&mutex_); }
  ~Lock() { pthread_mutex_unlock(&mutex_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  pthread_mutex_t& mutex_;
};

struct Job {
  void (*run)(void*, int64_t);
  void* context;
  int64_t items;
  int64_t helpers;                 // workers that may still join; under Pool's mutex
  std::atomic<int64_t> inside{0};  // workers at work on it
  std::atomic<int64_t> next{0};    // first item that nobody has taken

  void work() {
    for (int64_t item; (item = next.fetch_add(1, std::memory_order_relaxed)) < items;)
      run(context, item);
  }
};

// Linux may wake a sleeping thread on the very processor of whoever wakes it while
// another one idles: on a virtual machine the idle ones look as if they were taken.
// The two then take turns until the next balancing, milliseconds later. So a worker
// is kept off the processor that the caller is on.
class Placement {
 public:
  explicit Placement(pthread_t thread) : thread_(thread) {}

  void keep_off(int processor) {
#if defined(__linux__)
    if (processor == avoided_) return;
    cpu_set_t allowed;  // the caller's, less its processor
    if (pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed) != 0) return;
    if (processor >= 0 && CPU_COUNT(&allowed) > 1) CPU_CLR(processor, &allowed);
    if (pthread_setaffinity_np(thread_, sizeof allowed, &allowed) == 0)
      avoided_ = processor;
#else
    static_cast<void>(processor);
#endif
  }

 private:
  pthread_t thread_;
  int avoided_ = -1;
};

int processor_of_caller() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

class Pool {
 public:
  void execute(Job& job) {
    {
      Lock lock(mutex_);
      while (static_cast<int64_t>(workers_.size()) < job.helpers && start_worker()) {
      }
      const int processor = processor_of_caller();
      for (Placement& worker : workers_) worker.keep_off(processor);
      jobs_.push_back(&job);
      posted_.fetch_add(1, std::memory_order_release);
      if (sleeping_ > 0) pthread_cond_broadcast(&wake_);
    }
    job.work();
    {
      Lock lock(mutex_);
      for (auto at = jobs_.begin(); at != jobs_.end(); ++at) {
        if (*at == &job) {
          jobs_.erase(at);
          break;
        }
      }
    }
    // Nobody joins any more; wait for those inside.
    for (int look = 0; look < kLooks; ++look) {
      if (job.inside.load(std::memory_order_acquire) == 0) break;
      pause();
    }
    Lock lock(mutex_);
    while (job.inside.load(std::memory_order_acquire) != 0)
      pthread_cond_wait(&done_, &mutex_);
  }

 private:
  // False where the system gives no more threads: the caller then does their work.
  bool start_worker() {
    pthread_t thread;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    const bool started = pthread_create(&thread, &detached, serve, this) == 0;
    pthread_attr_destroy(&detached);
    if (started) workers_.emplace_back(thread);
    return started;
  }

  Job* open_job() {
    for (Job* job : jobs_) {
      if (job->helpers > 0 && job->next.load(std::memory_order_relaxed) < job->items)
        return job;
    }
    return nullptr;
  }

  // Joins a job that is open, or sleeps until there is one.
  Job* join() {
    Lock lock(mutex_);
    Job* job;
    while ((job = open_job()) == nullptr) {
      ++sleeping_;
      pthread_cond_wait(&wake_, &mutex_);
      --sleeping_;
    }
    --job->helpers;
    job->inside.fetch_add(1, std::memory_order_relaxed);
    return job;
  }

  // The job may be gone as soon as nobody is inside, so that is said under the mutex,
  // which the owner takes before it leaves.
  void leave(Job* job) {
    Lock lock(mutex_);
    if (job->inside.fetch_sub(1, std::memory_order_release) == 1)
      pthread_cond_broadcast(&done_);
  }

  static void* serve(void* self) {
    Pool* pool = static_cast<Pool*>(self);
    for (;;) {
      Job* job = pool->join();
      job->work();
      const uint64_t posted = pool->posted_.load(std::memory_order_acquire);
      pool->leave(job);
      for (int look = 0; look < kLooks; ++look) {
        if (pool->posted_.load(std::memory_order_acquire) != posted) break;
        pause();
      }
    }
    return nullptr;
  }

  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t wake_ = PTHREAD_COND_INITIALIZER;
  pthread_cond_t done_ = PTHREAD_COND_INITIALIZER;
  std::atomic<uint64_t> posted_{0};
  std::vector<Job*> jobs_;
  std::vector<Placement> workers_;
  int64_t sleeping_ = 0;
};

// Never destroyed: the workers outlive main(). The child of a fork has none of them,
// and the mutex may be held by a thread that is gone: it gets a pool of its own.
std::atomic<Pool*> the_pool{nullptr};

void start_afresh() { the_pool.store(new Pool, std::memory_order_release); }

Pool& pool() {
  static const bool once = [] {
    start_afresh();
    pthread_atfork(nullptr, nullptr, start_afresh);
    return true;
  }();
  static_cast<void>(once);
  return *the_pool.load(std::memory_order_acquire);
}

}  // namespace

void parallel(int64_t threads, int64_t items, void (*run)(void*, int64_t),
              void* context) {
  if (threads > items) threads = items;
  if (threads <= 1) {
    for (int64_t item = 0; item < items; ++item) run(context, item);
    return;
  }
  Job job;
  job.run = run;
  job.context = context;
  job.items = items;
  job.helpers = threads - 1;
  pool().execute(job);
}

struct Team::Role {
  Team* team;
  void (*lead)(void*, Team*);
  void* context;
};

void Team::run(int64_t threads, void (*lead)(void*, Team*), void* context) {
  Team team;
  Role role{&team, lead, context};
  parallel(threads, threads, take_role, &role);
}

// Who comes first leads, so that nobody waits for a leader that never comes.
void Team::take_role(void* context, int64_t) {
  const Role& role = *static_cast<Role*>(context);
  Team& team = *role.team;
  if (team.led_.exchange(true)) return team.help();
  role.lead(role.context, &team);
  team.over_.store(true, std::memory_order_release);
}

void Team::split(int64_t items, void (*run)(void*, int64_t, int64_t), void* context) {
  int64_t helpers = present_.load(std::memory_order_acquire);
  if (helpers > items - 1) helpers = items - 1;
  if (helpers <= 0 || late_ >= kPatience) return run(context, 0, items);
  items_ = items;
  parts_ = helpers + 1;
  run_ = run;
  context_ = context;
  working_.store(helpers, std::memory_order_relaxed);
  const uint64_t task = (posted_.load(std::memory_order_relaxed) >> kHelperBits) + 1;
  posted_.store(task << kHelperBits | static_cast<uint64_t>(helpers),
                std::memory_order_release);
  run(context, 0, items / parts_);
  for (int look = 0; working_.load(std::memory_order_acquire) != 0; ++look) {
    if (look < kLooks) {
      pause();
      continue;
    }
    if (look == kLooks) ++late_;
    sched_yield();
  }
}

void Team::help() {
  // Read before the leader can count on this helper, lest its first task be missed.
  uint64_t seen = posted_.load(std::memory_order_acquire);
  const int64_t number = present_.fetch_add(1, std::memory_order_acq_rel) + 1;
  for (int look = 0; !over_.load(std::memory_order_acquire);) {
    const uint64_t now = posted_.load(std::memory_order_acquire);
    if (now == seen) {
      if (++look < kLooks) {
        pause();
      } else {
        sched_yield();
      }
      continue;
    }
    seen = now;
    look = 0;
    // Of a task that does not count on it, a helper reads nothing: the leader may
    // be writing the next one.
    if (number > static_cast<int64_t>(now & ((1u << kHelperBits) - 1))) continue;
    run_(context_, items_ * number / parts_, items_ * (number + 1) / parts_);
    working_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace keras_gru
