// Runs unmodified CUDA kernels on the host, to test what they compute without a card.
//
// Every CUDA thread is a fiber with a stack of its own. A scheduler runs the fibers of one block,
// each until it waits at a barrier or a warp collective, in an order that the test chooses; blocks
// run one after the other. Shared memory is static memory in a section of its own, filled with
// garbage before every block. A kernel that depends on an order, misses a barrier or reads shared
// memory before writing it gives other results in at least one of the orders; threads that wait
// for each other in vain are reported instead of hanging.
//
// Include this header first, then the .cu file, then name each kernel: CUDA_HOST_KERNEL(sp_tally).
// Only what the project's kernels use is here: full-mask warp collectives, no dynamic shared
// memory, no launches from kernels.
#ifndef CUDA_HOST_H
#define CUDA_HOST_H
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <type_traits>
#include <utility>
#if !defined(__x86_64__) || defined(CUDA_HOST_UCONTEXT)
#include <ucontext.h>
#define CUDA_HOST_SWITCH_BY_UCONTEXT
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#define __global__
#define __device__
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("cuda_shared"), aligned(16)))
extern "C" char __start_cuda_shared[] __attribute__((weak, visibility("hidden")));
extern "C" char __stop_cuda_shared[] __attribute__((weak, visibility("hidden")));

namespace cuda_host {

constexpr unsigned MAX_THREADS = 1024, LANES = 32;
constexpr size_t STACK = 256 << 10;
// Stacks that all began at one place of a page would push each other out of the cache.
constexpr size_t STAGGER = 4096 + 128;

struct Index3 {
    unsigned x, y, z;
};

// ---- switching between stacks -------------------------------------------------------------

#if defined(CUDA_HOST_SWITCH_BY_UCONTEXT)
struct Context {
    ucontext_t state;
};
static void switch_stacks(Context& from, Context& to) { swapcontext(&from.state, &to.state); }
static void prepare(Context& context, char* stack, size_t size, void (*entry)()) {
    getcontext(&context.state);
    context.state.uc_stack.ss_sp = stack;
    context.state.uc_stack.ss_size = size;
    context.state.uc_link = nullptr;
    makecontext(&context.state, entry, 0);
}
#else
struct Context {
    void* stack_pointer;
};
// Save the registers that a callee must keep, change stacks, restore them, return over there.
__attribute__((naked, noinline, used)) static void swap_registers(void**, void*) {
    asm("pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
        "movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
        "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n");
}
static void switch_stacks(Context& from, Context& to) {
    swap_registers(&from.stack_pointer, to.stack_pointer);
}
static void prepare(Context& context, char* stack, size_t size, void (*entry)()) {
    // As after a call: the slot of the return address lies 8 bytes off a multiple of 16.
    void** top = reinterpret_cast<void**>(stack + size) - 3;
    *top = nullptr;
    *--top = reinterpret_cast<void*>(entry);
    for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
    context.stack_pointer = top;
}
#endif

// ---- one block of threads -----------------------------------------------------------------

enum class Waiting { nothing, barrier, warp, done };
enum class Collective { none, ballot, shuffle_xor, shuffle_up, shuffle, sync, product };

struct Fiber {
    Context context;
    Index3 index;
    unsigned lane, warp, counts;
    Waiting waiting;
    Collective collective;
    int argument;
    uint64_t offered, received;
    const void* lent;  // what the other lanes may read between two collectives
};

static Fiber fibers[MAX_THREADS];
static Fiber* current;
static Context scheduler;
static char* stacks;
static Index3 block_index, block_shape, grid_shape;
static unsigned threads;
static unsigned arrived[MAX_THREADS / LANES];  // lanes of each warp that stand at a collective
static int votes[3];
static void (*kernel_call)(void*);
static void* kernel_arguments;

static unsigned order_id, poison = 0xA5C3E187u;
static unsigned sequence[MAX_THREADS];
static uint64_t random_state;
static char problem[256];

// 0: threads upwards, all up to their next wait; 1: the same downwards; 2 and 3: upwards and
// downwards, but each warp runs on through its collectives until it waits at a barrier, so that
// warps get as far apart as they can; from 4 on: an ever-changing shuffle, different for each.
static unsigned random_below(unsigned n) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<unsigned>((random_state >> 33) % n);
}
static void arrange(unsigned* items, unsigned n) {
    for (unsigned i = 0; i < n; ++i) {
        items[i] = order_id == 1 || order_id == 3 ? n - 1 - i : i;
    }
    if (order_id < 4) return;
    for (unsigned i = n; i > 1; --i) std::swap(items[i - 1], items[random_below(i)]);
}

#if defined(__SANITIZE_ADDRESS__)
static void* scheduler_fake_stack;
static const void* scheduler_bottom;
static size_t scheduler_size;
#endif

// Give control to the scheduler; it comes back when what this thread waits for has happened.
static void leave(Waiting reason) {
    current->waiting = reason;
#if defined(__SANITIZE_ADDRESS__)
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(
        reason == Waiting::done ? nullptr : &fake_stack, scheduler_bottom, scheduler_size);
#endif
    switch_stacks(current->context, scheduler);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack, &scheduler_bottom, &scheduler_size);
#endif
}

static void enter_fiber() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_bottom, &scheduler_size);
#endif
    kernel_call(kernel_arguments);
    leave(Waiting::done);
    abort();
}

static void resume(unsigned i) {
    current = &fibers[i];
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&scheduler_fake_stack, stacks + i * STACK, STACK);
#endif
    switch_stacks(scheduler, current->context);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
#endif
}

static uint64_t answer(const Fiber* warp, const Fiber& lane, uint64_t ballot) {
    const int at = static_cast<int>(lane.lane);
    if (lane.collective == Collective::shuffle_xor) return warp[at ^ lane.argument].offered;
    if (lane.collective == Collective::shuffle_up) {
        return warp[at >= lane.argument ? at - lane.argument : at].offered;
    }
    if (lane.collective == Collective::shuffle) return warp[lane.argument].offered;
    return ballot;
}

// One more lane stands at a collective: once all of its warp do, give each its answer.
static bool complete_warp(unsigned warp) {
    if (++arrived[warp] < LANES) return false;
    arrived[warp] = 0;
    Fiber* lanes = fibers + warp * LANES;
    uint64_t ballot = 0;
    for (unsigned i = 0; i < LANES; ++i) ballot |= (lanes[i].offered & 1) << i;
    for (unsigned i = 0; i < LANES; ++i) {
        if (lanes[i].collective != lanes[0].collective) {
            snprintf(problem, sizeof problem, "lanes of a warp meet in different collectives");
        }
        lanes[i].received = answer(lanes, lanes[i], ballot);
    }
    for (unsigned i = 0; i < LANES; ++i) lanes[i].waiting = Waiting::nothing;
    return true;
}

// Threads that have returned count as arrived, as they do on a card.
static bool complete_barrier() {
    for (unsigned i = 0; i < threads; ++i) {
        if (fibers[i].waiting != Waiting::barrier && fibers[i].waiting != Waiting::done) return false;
    }
    bool any = false;
    for (unsigned i = 0; i < threads; ++i) {
        if (fibers[i].waiting == Waiting::barrier) any = true;
        if (fibers[i].waiting == Waiting::barrier) fibers[i].waiting = Waiting::nothing;
    }
    return any;
}

// Not instrumented, and no memset, which a sanitizer would intercept.
__attribute__((no_sanitize("address"), noinline)) static void poison_shared_memory() {
    volatile char* p = __start_cuda_shared;
    for (; p + 4 <= __stop_cuda_shared; p += 4) *reinterpret_cast<volatile uint32_t*>(p) = poison;
    for (unsigned rest = poison; p < __stop_cuda_shared; ++p, rest >>= 8) {
        *p = static_cast<char>(rest);
    }
}

static void run_block() {
    poison_shared_memory();
    votes[0] = votes[1] = votes[2] = 0;
    for (unsigned w = 0; w < threads / LANES; ++w) arrived[w] = 0;
    for (unsigned i = 0; i < threads; ++i) {
        Fiber& f = fibers[i];
        f.index = {i % block_shape.x, i / block_shape.x % block_shape.y,
                   i / (block_shape.x * block_shape.y)};
        f.lane = i % LANES;
        f.warp = i / LANES;
        f.counts = 0;
        f.waiting = Waiting::nothing;
        prepare(f.context, stacks + i * STACK, STACK - i % LANES * STAGGER, enter_fiber);
    }
    bool progress = true;
    while (progress && !problem[0]) {
        progress = false;
        arrange(sequence, threads);
        for (unsigned k = 0; k < threads; ++k) {
            Fiber& f = fibers[sequence[k]];
            if (f.waiting != Waiting::nothing) continue;
            resume(sequence[k]);
            progress = true;
            if (f.waiting != Waiting::warp || !complete_warp(f.warp)) continue;
            // Back to the place in the sequence where this warp begins.
            if (order_id == 2) k = f.warp * LANES - 1;
            if (order_id == 3) k = threads - (f.warp + 1) * LANES - 1;
        }
        if (complete_barrier()) progress = true;
    }
    for (unsigned i = 0; i < threads && !problem[0]; ++i) {
        if (fibers[i].waiting == Waiting::done) continue;
        snprintf(
            problem, sizeof problem, "thread %u of block %u waits for ever at a %s", i,
            block_index.x, fibers[i].waiting == Waiting::barrier ? "barrier" : "collective");
    }
}

static const char* launch(const unsigned* grid, const unsigned* block) {
    grid_shape = {grid[0], grid[1], grid[2]};
    block_shape = {block[0], block[1], block[2]};
    threads = block[0] * block[1] * block[2];
    problem[0] = 0;
    random_state = order_id * 0x9E3779B97F4A7C15ull + 1;
    if (threads == 0 || threads > MAX_THREADS || threads % LANES != 0) {
        return "a block must be 1 to 32 whole warps";
    }
    if (!stacks) {
        void* memory = mmap(
            nullptr, MAX_THREADS * STACK, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) return "no memory for stacks";
        stacks = static_cast<char*>(memory);
    }
    const unsigned blocks = grid[0] * grid[1] * grid[2];
    unsigned* block_order = static_cast<unsigned*>(malloc(blocks * sizeof(unsigned)));
    arrange(block_order, blocks);
    for (unsigned k = 0; k < blocks && !problem[0]; ++k) {
        const unsigned b = block_order[k];
        block_index = {b % grid[0], b / grid[0] % grid[1], b / (grid[0] * grid[1])};
        run_block();
    }
    free(block_order);
    return problem[0] ? problem : nullptr;
}

// ---- what a kernel calls ------------------------------------------------------------------

inline uint64_t meet(Collective collective, unsigned mask, uint64_t offered, int argument) {
    if (mask != 0xffffffffu) {
        snprintf(problem, sizeof problem, "only full-mask collectives are supported");
    }
    current->collective = collective;
    current->offered = offered;
    current->argument = argument;
    leave(Waiting::warp);
    return current->received;
}

// In the shuffled orders, let others in before an atomic now and then.
inline void maybe_interrupt() {
    if (order_id >= 4 && random_below(4) == 0) leave(Waiting::nothing);
}

template <typename T>
uint64_t to_word(T value) {
    static_assert(sizeof(T) <= 8, "at most 64 bits");
    uint64_t word = 0;
    memcpy(&word, &value, sizeof value);
    return word;
}
template <typename T>
T from_word(uint64_t word) {
    T value;
    memcpy(&value, &word, sizeof value);
    return value;
}

// ---- how a test sees a kernel -------------------------------------------------------------

// One letter and size for each argument: "*i2" a pointer to int16, "+u4" to const uint32, "i8".
template <typename T>
void describe(char*& out) {
    using Plain = std::remove_cv_t<std::remove_pointer_t<T>>;
    if (std::is_pointer<T>::value) {
        *out++ = std::is_const<std::remove_pointer_t<T>>::value ? '+' : '*';
    }
    *out++ = std::is_floating_point<Plain>::value ? 'f' : std::is_signed<Plain>::value ? 'i' : 'u';
    *out++ = static_cast<char>('0' + sizeof(Plain));
    *out++ = ' ';
}
template <typename... A>
const char* signature(void (*)(A...)) {
    static char text[5 * sizeof...(A) + 1];
    char* out = text;
    (describe<A>(out), ...);
    *out = 0;
    return text;
}
template <typename... A, size_t... I>
void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<A>*>(arguments[I])...);
}
template <typename... A>
const char* launch_kernel(
    void (*kernel)(A...), const unsigned* grid, const unsigned* block, void** arguments) {
    struct Call {
        void (*kernel)(A...);
        void** arguments;
    };
    Call bound{kernel, arguments};
    kernel_arguments = &bound;
    kernel_call = [](void* p) {
        Call* c = static_cast<Call*>(p);
        call(c->kernel, c->arguments, std::index_sequence_for<A...>{});
    };
    return launch(grid, block);
}

}  // namespace cuda_host

#define CUDA_HOST_KERNEL(name)                                                                    \
    extern "C" const char* host_signature_##name() { return cuda_host::signature(name); }         \
    extern "C" const char* host_launch_##name(                                                    \
        const unsigned* grid, const unsigned* block, void** arguments) {                          \
        return cuda_host::launch_kernel(name, grid, block, arguments);                            \
    }
extern "C" void host_set_order(unsigned order, unsigned poison) {
    cuda_host::order_id = order;
    cuda_host::poison = poison;
}

#define threadIdx (cuda_host::current->index)
#define blockIdx (cuda_host::block_index)
#define blockDim (cuda_host::block_shape)
#define gridDim (cuda_host::grid_shape)

inline void __syncthreads() { cuda_host::leave(cuda_host::Waiting::barrier); }
// Votes are counted in three places by turns: one is counted in, one read, one cleared.
inline int __syncthreads_count(int vote) {
    using namespace cuda_host;
    const unsigned turn = current->counts++ % 3;
    votes[turn] += vote != 0;
    leave(Waiting::barrier);
    votes[(turn + 2) % 3] = 0;
    return votes[turn];
}
inline unsigned __ballot_sync(unsigned mask, bool vote) {
    return static_cast<unsigned>(cuda_host::meet(cuda_host::Collective::ballot, mask, vote, 0));
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes) {
    using namespace cuda_host;
    return from_word<T>(meet(Collective::shuffle_xor, mask, to_word(value), lanes));
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes) {
    using namespace cuda_host;
    return from_word<T>(
        meet(Collective::shuffle_up, mask, to_word(value), static_cast<int>(lanes)));
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int lane) {
    using namespace cuda_host;
    return from_word<T>(
        meet(Collective::shuffle, mask, to_word(value), static_cast<int>(lane & 31)));
}

inline void __syncwarp() {
    cuda_host::meet(cuda_host::Collective::sync, 0xffffffffu, 0, 0);
}

// Each returns what was there before.
#define CUDA_HOST_ATOMIC(name, operation)                                                         \
    template <typename T>                                                                         \
    T name(T* at, T value) {                                                                      \
        cuda_host::maybe_interrupt();                                                             \
        T before = *at;                                                                           \
        *at = before operation value;                                                             \
        return before;                                                                            \
    }
CUDA_HOST_ATOMIC(atomicAdd, +)
CUDA_HOST_ATOMIC(atomicOr, |)
CUDA_HOST_ATOMIC(atomicXor, ^)
template <typename T>
T atomicMax(T* at, T value) {
    cuda_host::maybe_interrupt();
    T before = *at;
    if (value > before) *at = value;
    return before;
}
template <typename T>
T atomicMin(T* at, T value) {
    cuda_host::maybe_interrupt();
    T before = *at;
    if (value < before) *at = value;
    return before;
}

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
// Byte i of the result is byte (places >> 4 * i & 7) of the eight bytes low, high.
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned places) {
    const uint64_t bytes = static_cast<uint64_t>(high) << 32 | low;
    unsigned out = 0;
    for (unsigned i = 0; i < 4; ++i) {
        out |= static_cast<unsigned>(bytes >> (places >> 4 * i & 7) * 8 & 255) << i * 8;
    }
    return out;
}
// The lower word of high, low shifted right by so many bits, modulo 32.
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned bits) {
    const uint64_t both = static_cast<uint64_t>(high) << 32 | low;
    return static_cast<unsigned>(both >> (bits & 31));
}
// The upper word of high, low shifted left by so many bits, modulo 32.
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned bits) {
    const uint64_t both = static_cast<uint64_t>(high) << 32 | low;
    return static_cast<unsigned>(both << (bits & 31) >> 32);
}
// For each half, signed and wrapping around: max(min(a + b, c), 0).
inline unsigned __viaddmin_s16x2_relu(unsigned a, unsigned b, unsigned c) {
    unsigned out = 0;
    for (unsigned shift = 0; shift < 32; shift += 16) {
        const int sum = static_cast<int16_t>(static_cast<uint16_t>((a >> shift) + (b >> shift)));
        const int most = static_cast<int16_t>(static_cast<uint16_t>(c >> shift));
        const int bounded = sum < most ? sum : most;
        out |= static_cast<unsigned>(bounded > 0 ? bounded : 0) << shift;
    }
    return out;
}
// Vectors are read where numbers lie, and on the host need no more alignment than those.
struct __attribute__((may_alias)) uint4 {
    unsigned x, y, z, w;
};
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
template <typename T>
T __ldcs(const T* at) {
    return *at;
}
template <typename T>
void __stcs(T* at, T value) {
    *at = value;
}
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline unsigned __float_as_uint(float x) { return static_cast<unsigned>(cuda_host::to_word(x)); }
inline float __uint_as_float(unsigned x) { return cuda_host::from_word<float>(x); }
using std::floor;
using std::fmax;
#include "fragments.cuh"
#endif
