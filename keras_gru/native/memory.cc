#include "memory.h"

#include <pthread.h>

#include <cstdlib>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace keras_gru {
namespace {

constexpr size_t kPage = size_t{1} << 21;       // a huge page
constexpr size_t kKept = size_t{256} << 20;     // of all blocks together
constexpr int kBlocks = 4;                      // calls at once that find a block

struct Block {
  char* base = nullptr;
  size_t size = 0;
};

// Trivially destructible, so that a call during exit still finds it.
Block kept[kBlocks];
size_t kept_bytes = 0;
pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

void lock() {
  // Held over a fork, so that the child does not wait for a thread that it has not got.
  static const bool once = [] {
    pthread_atfork([] { pthread_mutex_lock(&guard); },
                   [] { pthread_mutex_unlock(&guard); },
                   [] { pthread_mutex_unlock(&guard); });
    return true;
  }();
  static_cast<void>(once);
  pthread_mutex_lock(&guard);
}

}  // namespace

bool Scratch::allocate() {
  size_ = (used_ + kPage - 1) / kPage * kPage;
  used_ = 0;
  lock();
  // The smallest block that is large enough.
  Block* best = nullptr;
  for (Block& block : kept) {
    if (block.base != nullptr && block.size >= size_ &&
        (best == nullptr || block.size < best->size))
      best = &block;
  }
  if (best != nullptr) {
    base_ = best->base;
    size_ = best->size;
    kept_bytes -= size_;
    *best = Block{};
  }
  pthread_mutex_unlock(&guard);
  if (base_ != nullptr) return true;
  base_ = static_cast<char*>(std::aligned_alloc(size_ >= kPage ? kPage : kLine, size_));
  if (base_ == nullptr) return false;
#if defined(__linux__)
  madvise(base_, size_, MADV_HUGEPAGE);
#endif
  return true;
}

Scratch::~Scratch() {
  if (base_ == nullptr) return;
  char* unwanted = base_;
  if (size_ <= kKept) {
    lock();
    // In place of an empty block, else of the smallest that is smaller.
    Block* worst = nullptr;
    for (Block& block : kept) {
      if (block.size < size_ && (worst == nullptr || block.size < worst->size))
        worst = &block;
    }
    if (worst != nullptr && kept_bytes - worst->size + size_ <= kKept) {
      unwanted = worst->base;
      kept_bytes += size_ - worst->size;
      *worst = Block{base_, size_};
    }
    pthread_mutex_unlock(&guard);
  }
  std::free(unwanted);
}

size_t free_memory() {
  lock();
  const size_t freed = kept_bytes;
  for (Block& block : kept) {
    std::free(block.base);
    block = Block{};
  }
  kept_bytes = 0;
  pthread_mutex_unlock(&guard);
  return freed;
}

}  // namespace keras_gru
