// Runs the GRU under the sanitizers: `python -m tests.native.sanitize`.
//
// Every array is allocated with exactly the size that the interface states, so that
// one value too far is an error; results of all instruction sets, thread counts and
// calls from two threads at once must agree.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "gru.h"
#include "numbers.h"

namespace {

struct Shape {
  int64_t batch, timesteps, features, units;
};

const Shape kShapes[] = {{3, 7, 5, 6},    {2, 4, 3, 1},    {1, 1, 2, 3},   {5, 9, 17, 33},
                         {19, 6, 4, 50},  {9, 5, 40, 64},  {4, 70, 1, 7},  {1, 30, 9, 16},
                         {9, 20, 24, 40},  {2, 1, 8, 130}, {3, 0, 2, 2},   {0, 3, 2, 2},
                         {1, 20, 24, 120}, {1100, 2, 5, 9}};

using keras_gru::BFloat16;
using keras_gru::Float16;

double value(float x) { return x; }
double value(double x) { return x; }
double value(BFloat16 x) { return keras_gru::float_of(static_cast<uint32_t>(x.bits) << 16); }
double value(Float16 x) { return keras_gru::widen(x); }

void put(float& to, double x) { to = static_cast<float>(x); }
void put(double& to, double x) { to = x; }
void put(BFloat16& to, double x) {
  to.bits = static_cast<uint16_t>(keras_gru::bits_of(static_cast<float>(x)) >> 16);
}
void put(Float16& to, double x) { to = keras_gru::narrow(static_cast<float>(x)); }

// Arrays of exactly the size that is asked for, on the heap.
template <class T>
using Array = std::unique_ptr<T[]>;

template <class T>
Array<T> draw(int64_t size, std::mt19937& random, double scale = 1) {
  Array<T> array(new T[size]);
  std::normal_distribution<double> normal(0, scale);
  for (int64_t i = 0; i < size; ++i) put(array[i], normal(random));
  return array;
}

// Both directions in one call. That of the given pass must give the bits it gave alone.
template <class T>
void run_both(GruProblem problem, GruForward forward, GruBackward backward,
              int64_t saved_size) {
  const int64_t B = problem.batch, T_ = problem.timesteps, H = problem.units,
                D = problem.features;
  GruProblem problems[2] = {problem, problem};
  problems[1].go_backwards = !problem.go_backwards;
  Array<T> states(new T[B * T_ * 2 * H]), d_states(new T[B * T_ * 2 * H]);
  T one;
  put(one, 1);
  std::fill_n(d_states.get(), B * T_ * 2 * H, one);
  Array<T> final_state[2], saved[2], dx[2], dw[2], db[2], dh[2], du[2], dc[2];
  GruForward forwards[2] = {forward, forward};
  GruBackward backwards[2] = {backward, backward};
  for (int i = 0; i < 2; ++i) {
    for (auto& [array, size] :
         {std::pair{final_state + i, B * H}, std::pair{saved + i, saved_size},
          std::pair{dx + i, B * T_ * D}, std::pair{dw + i, D * 3 * H},
          std::pair{db + i, 3 * H}, std::pair{dh + i, B * H},
          std::pair{du + i, H * 3 * H}, std::pair{dc + i, 3 * H}})
      array->reset(new T[size]);
    forwards[i].states = i == 0 ? states.get() : nullptr;
    forwards[i].final_state = final_state[i].get();
    forwards[i].saved = saved[i].get();
    backwards[i].states = forwards[i].states;
    backwards[i].saved = forwards[i].saved;
    backwards[i].states_gradient = i == 0 ? d_states.get() : nullptr;
    backwards[i].sequences_gradient = dx[i].get();
    if (backward.kernel != nullptr) backwards[i].kernel_gradient = dw[i].get();
    backwards[i].input_bias_gradient = db[i].get();
    backwards[i].initial_state_gradient = dh[i].get();
    backwards[i].recurrent_kernel_gradient = du[i].get();
    backwards[i].recurrent_bias_gradient = dc[i].get();
  }
  if (gru_forward(2, problems, forwards) != GRU_OK) std::abort();
  if (gru_backward(2, problems, backwards) != GRU_OK) std::abort();
  const T* alone = static_cast<const T*>(forward.final_state);
  for (int64_t i = 0; i < B * H; ++i) {
    if (value(alone[i]) != value(final_state[0][i])) std::abort();
  }
}

template <class T>
std::vector<double> run(GruProblem problem, int mask_kind, bool projected, int seed) {
  std::mt19937 random(seed);
  const int64_t B = problem.batch, T_ = problem.timesteps, H = problem.units;
  const int64_t D = projected ? 3 * H : problem.features;
  problem.features = D;
  const double small = 1 / std::sqrt(static_cast<double>(H));
  auto x = draw<T>(B * T_ * D, random), kernel = draw<T>(D * 3 * H, random, small),
       b = draw<T>(3 * H, random), h0 = draw<T>(B * H, random),
       u = draw<T>(H * 3 * H, random, small), c = draw<T>(3 * H, random),
       d_states = draw<T>(B * T_ * H, random), d_final = draw<T>(B * H, random);
  Array<T> dropout(mask_kind % 2 ? draw<T>(3 * B * H, random) : nullptr);
  Array<uint8_t> mask(mask_kind == 0 ? nullptr : new uint8_t[B * T_]);
  for (int64_t i = 0; mask && i < B * T_; ++i) {
    const int64_t row = i / T_, step = i % T_;
    mask[i] = mask_kind == 1 ? step < (row * 5 + 2) % (T_ + 1)  // right-padded
              : mask_kind == 2 ? random() % 2 == 0              // holes
                               : 0;                             // nothing
  }
  Array<uint8_t> resets(mask_kind % 2 ? new uint8_t[B * T_] : nullptr);
  for (int64_t i = 0; resets && i < B * T_; ++i) resets[i] = random() % 3 == 0;
  const int64_t saved_size = gru_saved_size(&problem);
  Array<T> states(new T[B * T_ * H]), final_state(new T[B * H]), saved(new T[saved_size]);
  const GruForward forward{x.get(),    projected ? nullptr : kernel.get(),
                           b.get(),    h0.get(),
                           u.get(),    c.get(),
                           mask.get(), resets.get(),
                           dropout.get(), states.get(),
                           final_state.get(), saved.get()};
  if (gru_forward(1, &problem, &forward) != GRU_OK) std::abort();
  // And without the states, as in inference.
  Array<T> again(new T[B * H]);
  GruForward inference = forward;
  inference.states = inference.saved = nullptr;
  inference.final_state = again.get();
  if (gru_forward(1, &problem, &inference) != GRU_OK) std::abort();
  for (int64_t i = 0; i < B * H; ++i) {
    if (value(again[i]) != value(final_state[i])) std::abort();
  }
  Array<T> dx(new T[B * T_ * D]), dw(new T[D * 3 * H]), db(new T[3 * H]),
      dh(new T[B * H]), du(new T[H * 3 * H]), dc(new T[3 * H]);
  const GruBackward backward{x.get(),
                             projected ? nullptr : kernel.get(),
                             h0.get(),
                             u.get(),
                             mask.get(),
                             resets.get(),
                             dropout.get(),
                             states.get(),
                             saved.get(),
                             d_states.get(),
                             d_final.get(),
                             dx.get(),
                             projected ? nullptr : dw.get(),
                             db.get(),
                             dh.get(),
                             du.get(),
                             dc.get()};
  if (gru_backward(1, &problem, &backward) != GRU_OK) std::abort();
  run_both<T>(problem, forward, backward, saved_size);
  std::vector<double> all;
  const auto take = [&all](const Array<T>& array, int64_t size) {
    for (int64_t i = 0; i < size; ++i) all.push_back(value(array[i]));
  };
  take(states, B * T_ * H);
  take(final_state, B * H);
  take(dx, B * T_ * D);
  if (!projected) take(dw, D * 3 * H);
  take(db, 3 * H);
  take(dh, B * H);
  take(du, H * 3 * H);
  take(dc, 3 * H);
  return all;
}

void compare(const std::vector<double>& a, const std::vector<double>& b, double allowed) {
  double largest = 1;
  for (double value : a) largest = std::fmax(largest, std::fabs(value));
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(a[i] - b[i]) <= allowed * largest)) {
      std::printf("results differ: %.17g, %.17g\n", a[i], b[i]);
      std::exit(1);
    }
  }
}

}  // namespace

int main() {
  std::atomic<int64_t> runs{0};
  for (const Shape& shape : kShapes) {
    for (int options = 0; options < 128; ++options) {
      GruProblem problem{};
      problem.dtype = options & 1 | options >> 5 & 2;
      problem.reset_after = options >> 1 & 1;
      problem.update_replaces = options >> 2 & 1;
      problem.go_backwards = options >> 3 & 1;
      problem.activation = GRU_TANH;
      problem.recurrent_activation = GRU_SIGMOID;
      problem.threads = 1;
      problem.batch = shape.batch;
      problem.timesteps = shape.timesteps;
      problem.features = shape.features;
      problem.units = shape.units;
      const int mask = options >> 4 & 3;
      const auto one = [&](GruProblem p, bool projected) {
        ++runs;
        return p.dtype == GRU_FLOAT32    ? run<float>(p, mask, projected, options)
               : p.dtype == GRU_FLOAT64  ? run<double>(p, mask, projected, options)
               : p.dtype == GRU_BFLOAT16 ? run<BFloat16>(p, mask, projected, options)
                                         : run<Float16>(p, mask, projected, options);
      };
      const double allowed[] = {1e-4, 1e-11, 6e-2, 1e-2};  // by GruDtype
      for (const bool projected : {false, true}) {
        problem.instructions = GRU_BEST;
        problem.threads = 1;
        const std::vector<double> wanted = one(problem, projected);
        for (int32_t set = GRU_PORTABLE; set <= gru_best_instructions(); ++set) {
          problem.instructions = set;
          compare(wanted, one(problem, projected), allowed[problem.dtype]);
        }
        problem.instructions = GRU_BEST;
        problem.threads = 3;
        compare(wanted, one(problem, projected), 0);
        if (options % 16 == 3) {
          std::thread other([&] { compare(wanted, one(problem, projected), 0); });
          compare(wanted, one(problem, projected), 0);
          other.join();
        }
      }
    }
  }
  std::printf("%lld runs agree\n", static_cast<long long>(runs.load()));
}
