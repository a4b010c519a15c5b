// A small pool of threads: items of a job are taken by whoever is free, the caller
// among them, so a job ends even where no worker ever gets a processor.
#ifndef KERAS_GRU_NATIVE_THREADS_H_
#define KERAS_GRU_NATIVE_THREADS_H_

#include <cstdint>

namespace keras_gru {

// Calls run(context, item) for each item in [0, items) on up to `threads` threads,
// the caller being one, and returns when all are done. May be called from several
// threads at once and in the child of a fork.
void parallel(int64_t threads, int64_t items, void (*run)(void*, int64_t), void* context);

}  // namespace keras_gru

#endif  // KERAS_GRU_NATIVE_THREADS_H_
