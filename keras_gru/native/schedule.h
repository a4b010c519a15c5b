// Which row of the batch runs when, and where: rows are independent, so the steps
// that a mask skips cost nothing, and a row that has ended makes room for the next.
#ifndef KERAS_GRU_NATIVE_SCHEDULE_H_
#define KERAS_GRU_NATIVE_SCHEDULE_H_

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace keras_gru {

// Lanes from which on a slice is wide enough to be one of many.
constexpr int64_t kWide = 128;

// A *position* numbers one used step of one row: rows in order, each row's used
// steps in order. A *lane* runs a list of rows one after the other; lanes advance
// side by side, one used step at a time. A *slice* is lanes that one thread takes; of
// many lanes there are more slices than threads.
class Schedule {
 public:
  Schedule() = default;
  Schedule(int64_t batch, int64_t timesteps, const uint8_t* mask, bool go_backwards,
           int64_t threads)
      : batch_(batch), timesteps_(timesteps), backwards_(go_backwards) {
    begin_.resize(batch + 1);
    int64_t longest = timesteps;
    if (mask == nullptr) {
      for (int64_t row = 0; row <= batch; ++row) begin_[row] = row * timesteps;
    } else {
      longest = 0;
      steps_.reserve(batch * timesteps);
      for (int64_t row = 0; row < batch; ++row) {
        for (int64_t step = 0; step < timesteps; ++step) {
          if (mask[row * timesteps + time(step)])
            steps_.push_back(static_cast<int32_t>(step));
        }
        begin_[row + 1] = static_cast<int64_t>(steps_.size());
        longest = std::max(longest, used(row));
      }
      masked_ = true;
    }
    assign_lanes(longest, threads);
  }

  int64_t batch() const { return batch_; }
  int64_t timesteps() const { return timesteps_; }
  int64_t positions() const { return begin_[batch_]; }
  int64_t first_position(int64_t row) const { return begin_[row]; }
  int64_t used(int64_t row) const { return begin_[row + 1] - begin_[row]; }

  // The step, in processing order, of a row's used step number `index`;
  // `timesteps` for the one after its last.
  int64_t step(int64_t row, int64_t index) const {
    if (index >= used(row)) return timesteps_;
    return masked_ ? steps_[begin_[row] + index] : index;
  }

  // The time that is read at a step.
  int64_t time(int64_t step) const { return backwards_ ? timesteps_ - 1 - step : step; }

  int64_t slices() const { return slices_; }
  int64_t first_lane(int64_t slice) const { return slice_begin_[slice]; }
  int64_t lanes(int64_t slice) const {
    return slice_begin_[slice + 1] - slice_begin_[slice];
  }
  // The rows of a lane: row(i) for i in [first_row(lane), first_row(lane + 1)).
  int64_t first_row(int64_t lane) const { return lane_begin_[lane]; }
  int64_t row(int64_t index) const { return rows_[index]; }

 private:
  // Longest rows first, each to the lane that has least to do; as few lanes as
  // finish in the time of the longest row. Lanes are then dealt to the slices
  // there and back, so that each slice gets a like share.
  void assign_lanes(int64_t longest, int64_t threads) {
    const int64_t full = longest == 0 ? 1 : (positions() + longest - 1) / longest;
    slices_ = std::max<int64_t>(1, std::min(threads, batch_));
    // Where others want the processors too, a thread that gets less of them takes fewer.
    if (threads > 1) slices_ = std::max(slices_, std::min(8 * threads, full / kWide));
    const int64_t lanes =
        std::max<int64_t>(1, std::min(batch_, (full + slices_ - 1) / slices_ * slices_));

    std::vector<int64_t> order(batch_), load(lanes, 0), by_load(lanes), lane_of(batch_);
    std::iota(order.begin(), order.end(), int64_t{0});
    std::iota(by_load.begin(), by_load.end(), int64_t{0});
    if (lanes == batch_) {
      // A lane a row.
      lane_of = order;
      for (int64_t row = 0; row < batch_; ++row) load[row] = used(row);
    } else {
      std::stable_sort(order.begin(), order.end(), [this](int64_t a, int64_t b) {
        return used(a) > used(b);
      });
      // A heap of (load, lane), the least loaded on top.
      using Loaded = std::pair<int64_t, int64_t>;
      std::vector<Loaded> heap(lanes);
      for (int64_t lane = 0; lane < lanes; ++lane) heap[lane] = {0, lane};
      const auto heavier = [](const Loaded& a, const Loaded& b) { return a > b; };
      for (int64_t row : order) {
        std::pop_heap(heap.begin(), heap.end(), heavier);
        const int64_t lane = heap.back().second;
        lane_of[row] = lane;
        load[lane] = heap.back().first += used(row);
        std::push_heap(heap.begin(), heap.end(), heavier);
      }
    }
    if (masked_) {
      std::stable_sort(by_load.begin(), by_load.end(), [&load](int64_t a, int64_t b) {
        return load[a] > load[b];
      });
    }

    // Lanes by slice, then rows by lane; `order` keeps a lane's longest row first.
    std::vector<int64_t> place(lanes);
    slice_begin_.push_back(0);
    int64_t placed = 0;
    for (int64_t slice = 0; slice < slices_; ++slice) {
      for (int64_t deal = 0; deal < lanes; ++deal) {
        const int64_t turn = deal / slices_, seat = deal % slices_;
        if ((turn % 2 == 0 ? seat : slices_ - 1 - seat) == slice)
          place[by_load[deal]] = placed++;
      }
      slice_begin_.push_back(placed);
    }
    lane_begin_.assign(lanes + 1, 0);
    for (int64_t row = 0; row < batch_; ++row) ++lane_begin_[place[lane_of[row]] + 1];
    std::partial_sum(lane_begin_.begin(), lane_begin_.end(), lane_begin_.begin());
    rows_.resize(batch_);
    std::vector<int64_t> next = lane_begin_;
    for (int64_t row : order) rows_[next[place[lane_of[row]]]++] = row;
  }

  int64_t batch_ = 0, timesteps_ = 0;
  bool backwards_ = false;
  bool masked_ = false;
  int64_t slices_ = 1;
  std::vector<int64_t> begin_;        // (batch + 1) first position of each row
  std::vector<int32_t> steps_;        // (positions), only under a mask
  std::vector<int64_t> rows_;         // (batch) in the order of the lanes
  std::vector<int64_t> lane_begin_;   // (lanes + 1)
  std::vector<int64_t> slice_begin_;  // (slices + 1)
};

}  // namespace keras_gru

#endif  // KERAS_GRU_NATIVE_SCHEDULE_H_
