#include "threads.h"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace keras_gru {
namespace {

struct Job {
  void (*run)(void*, int64_t);
  void* context;
  int64_t items;
  int64_t helpers;            // workers that may still join; guarded by Pool::mutex
  int64_t inside = 0;         // workers at work on it; guarded by Pool::mutex
  std::atomic<int64_t> next{0};

  void work() {
    for (int64_t item; (item = next.fetch_add(1, std::memory_order_relaxed)) < items;)
      run(context, item);
  }
};

class Pool {
 public:
  void execute(Job& job) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      grow(job.helpers);
      jobs_.push_back(&job);
    }
    for (int64_t i = 0; i < job.helpers; ++i) wake_.notify_one();
    job.work();
    std::unique_lock<std::mutex> lock(mutex_);
    for (size_t i = 0; i < jobs_.size(); ++i) {
      if (jobs_[i] == &job) {
        jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      }
    }
    done_.wait(lock, [&job] { return job.inside == 0; });
  }

 private:
  void grow(int64_t workers) {
    while (workers_ < workers) {
      try {
        std::thread(&Pool::serve, this).detach();
      } catch (const std::system_error&) {
        return;  // the caller does the work that a worker would have done
      }
      ++workers_;
    }
  }

  Job* open_job() {
    for (Job* job : jobs_) {
      if (job->helpers > 0 && job->next.load(std::memory_order_relaxed) < job->items)
        return job;
    }
    return nullptr;
  }

  void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      Job* job = nullptr;
      wake_.wait(lock, [&] { return (job = open_job()) != nullptr; });
      --job->helpers;
      ++job->inside;
      lock.unlock();
      job->work();
      lock.lock();
      if (--job->inside == 0) done_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::vector<Job*> jobs_;
  int64_t workers_ = 0;
};

// Never destroyed: workers outlive main(). In the child of a fork there are no
// workers and the mutex may be held by a thread that is gone, so it gets a new one.
std::atomic<Pool*> the_pool{nullptr};

void forget_pool() { the_pool.store(new Pool, std::memory_order_release); }

Pool& pool() {
  static const bool once = [] {
    forget_pool();
    pthread_atfork(nullptr, nullptr, forget_pool);
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
  Job job{run, context, items, threads - 1};
  pool().execute(job);
}

}  // namespace keras_gru
