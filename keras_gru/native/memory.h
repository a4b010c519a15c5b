// Scratch memory of one call, kept for the next: fresh pages cost more than the
// arithmetic of a small layer.
#ifndef KERAS_GRU_NATIVE_MEMORY_H_
#define KERAS_GRU_NATIVE_MEMORY_H_

#include <cstddef>
#include <cstdint>

namespace keras_gru {

// Two passes over the same code: the first adds up what is asked for, then
// `allocate`, and the second hands out pieces of it, each aligned to a cache line.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  template <class T>
  T* take(int64_t count) {
    const size_t at = used_;
    used_ += (static_cast<size_t>(count) * sizeof(T) + kLine - 1) / kLine * kLine;
    return base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + at);
  }

  // False where the memory is not to be had.
  bool allocate();

 private:
  static constexpr size_t kLine = 64;
  size_t used_ = 0;
  size_t size_ = 0;
  char* base_ = nullptr;
};

// Gives the kept blocks back; how many bytes they had.
size_t free_memory();

}  // namespace keras_gru

#endif  // KERAS_GRU_NATIVE_MEMORY_H_
