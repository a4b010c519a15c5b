// A small pool of threads: items of a job are taken by whoever is free, the caller
// among them, so a job ends even where no worker ever gets a processor.
#ifndef KERAS_GRU_NATIVE_THREADS_H_
#define KERAS_GRU_NATIVE_THREADS_H_

#include <atomic>
#include <cstdint>

namespace keras_gru {

// Calls run(context, item) for each item in [0, items) on up to `threads` threads,
// the caller being one, and returns when all are done. May be called from several
// threads at once and in the child of a fork.
void parallel(int64_t threads, int64_t items, void (*run)(void*, int64_t), void* context);

// Threads that wait, without sleeping, for what a leader splits among them: for tasks
// of a microsecond that follow one another, as the steps of a single row do.
class Team {
 public:
  // Calls lead(context, team) on one thread, while up to threads - 1 others may help;
  // it does not wait for them to come, and goes on alone where they are too slow.
  static void run(int64_t threads, void (*lead)(void*, Team*), void* context);

  // For the leader: run(context, begin, end) over parts of [0, items), all done on
  // return. What it wrote before is seen by all, and what they write by it.
  void split(int64_t items, void (*run)(void*, int64_t, int64_t), void* context);

 private:
  struct Role;
  static void take_role(void* role, int64_t);
  void help();

  // What is posted: the number of the task, and in the last bits how many help.
  static constexpr int kHelperBits = 16;

  std::atomic<uint64_t> posted_{0};
  std::atomic<int64_t> present_{0};  // helpers that came so far
  std::atomic<int64_t> working_{0};  // helpers still at work on the task
  std::atomic<bool> led_{false}, over_{false};
  int64_t late_ = 0;  // tasks that the leader had to wait long for
  int64_t items_ = 0, parts_ = 0;
  void (*run_)(void*, int64_t, int64_t) = nullptr;
  void* context_ = nullptr;
};

}  // namespace keras_gru

#endif  // KERAS_GRU_NATIVE_THREADS_H_
