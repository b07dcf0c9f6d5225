/* SPDX-License-Identifier: MIT */
/** @file eplb.h
 *  @brief The whole public interface of libeplb, the expert-parallelism load balancer.
 *
 *  A Mixture-of-Experts layer has E logical experts; the gpus of a deployment together have
 *  P >= E slots for them. Given how many tokens went to each expert (the load), libeplb says
 *  which experts get more than one slot (replicas), and which slot of which gpu holds which
 *  expert (the placement), so that the gpu with the most work has as little as possible.
 *
 *  Three ways in, simplest first:
 *  - one call: eplb_rebalance_experts();
 *  - a context, for planning the same shape again and again without allocating:
 *    eplb_create(), then eplb_submit_weights() and eplb_get_maps() as often as you like;
 *  - the same on a CUDA stream: eplb_submit_weights_async(), eplb_get_maps_async(), eplb_poll().
 *
 *  Rules that hold for everything below:
 *  - <b>Structs grow.</b> Every struct starts with @c struct_size. Call its init function with
 *    `sizeof` of the struct, which fills in the defaults, then set what you need. A program built
 *    against an older header keeps working with a newer library, and the other way round as long
 *    as it does not set fields that the library does not know.
 *  - <b>Errors.</b> A call that can fail returns an @ref eplb_status and takes, last, an
 *    @ref eplb_error of the caller (or NULL) for one sentence about what was wrong and where. A
 *    call that fails leaves its outputs untouched and nothing behind to free; after @ref EPLB_ERROR_CUDA
 *    alone buffers in CUDA memory may have been written.
 *  - <b>Buffers</b> are the caller's, contiguous, row-major and naturally aligned. Each comes with
 *    its number of elements, its type and its memory. A NULL output is not written; one that is
 *    shorter than its shape is an error, one that is longer is written at its front. What belongs to a
 *    pointer, such as its number of elements, is an error where the pointer is NULL. Input and
 *    output buffers must not overlap. No call keeps a pointer after it returns; the asynchronous
 *    calls use device buffers until the stream has passed them.
 *  - <b>Threads.</b> No call uses global state. Contexts are independent of each other; one
 *    context serves one call at a time, and a second one that comes meanwhile (also from a
 *    callback) gets @ref EPLB_ERROR_INVALID_STATE. Calls without a context may run on any number
 *    of threads at once. While a call runs its thread is not cancelled (pthread_cancel waits).
 *  - <b>Determinism.</b> The same loads, shape, options and seed give the same maps bit for bit,
 *    with any number of threads, any instruction set and any backend.
 *  - <b>Allocation.</b> Each call says whether it allocates. One that does not may still do so to
 *    report an error.
 *  - <b>Blocking.</b> Every call is finished when it returns, but for the ones that end in
 *    `_async`. Only those may be captured into a CUDA graph.
 *  - <b>CUDA.</b> Nothing of CUDA is touched before it is asked for: by a context, or a question about the
 *    backend. Every call leaves the calling thread's current device as it was.
 */
#ifndef EPLB_H
#define EPLB_H

#include <stddef.h>
#include <stdint.h>

/** @cond MACROS */
#if defined(_WIN32)
#  define EPLB_CALL __cdecl
#  define EPLB_API
#else
#  define EPLB_CALL
#  define EPLB_API __attribute__((visibility("default")))
#endif
#if defined(__GNUC__) || defined(__clang__)
#  define EPLB_NODISCARD __attribute__((warn_unused_result))
#else
#  define EPLB_NODISCARD
#endif
/** @endcond */

#ifdef __cplusplus
extern "C" {
#endif

/** @defgroup version Version
 *  @{ */
#define EPLB_VERSION_MAJOR 0 /**< Raised when the ABI breaks, from 1.0 on. */
#define EPLB_VERSION_MINOR 1 /**< Raised when the ABI grows; before 1.0 also when it breaks. */
#define EPLB_VERSION_PATCH 0 /**< Raised otherwise. */
/** MAJOR * 10000 + MINOR * 100 + PATCH of this header. */
#define EPLB_VERSION \
  (EPLB_VERSION_MAJOR * 10000 + EPLB_VERSION_MINOR * 100 + EPLB_VERSION_PATCH)

/** @ref EPLB_VERSION of the library that was loaded, to compare with the header's. The number at the
 *  end of the library's SONAME, `libeplb.so.0`, counts ABI breaks by itself, also before 1.0: a library
 *  found under the name that a program was linked with has that program's ABI or one grown from it. */
EPLB_API int32_t EPLB_CALL eplb_version(void);
/** Version and compiler on one line. Static, never NULL. */
EPLB_API const char* EPLB_CALL eplb_build_info(void);
/** @} */

/** @defgroup errors Status and error
 *  @{ */
/** Result of a call, 0 on success; one of @ref eplb_status_code. Always 32 bits wide. */
typedef int32_t eplb_status;

/** What a call answers. Values never change; new ones are appended, so treat an unknown one as an
 *  error. */
enum eplb_status_code {
  EPLB_SUCCESS                 = 0,  /**< Done. */
  EPLB_NOT_READY               = 1,  /**< Work on a stream has not finished; not an error. */
  EPLB_ERROR_INVALID_ARGUMENT  = 2,  /**< A NULL, an impossible shape, an unknown value. */
  EPLB_ERROR_INVALID_LOAD      = 3,  /**< A load is NaN, infinite or negative, or, in planning, a layer's total overflows float32. */
  EPLB_ERROR_INVALID_PLACEMENT = 4,  /**< A placement names no expert, leaves one out, or contradicts itself; a current one
                                          needs more changes than are allowed. */
  EPLB_ERROR_INVALID_STATE     = 5,  /**< No plan yet; the context is in use, or was created before a fork. */
  EPLB_ERROR_STRUCT_SIZE       = 6,  /**< struct_size is not set, or fields are set that this library does not know. */
  EPLB_ERROR_BUFFER_TOO_SMALL  = 7,  /**< A buffer of the caller's is shorter than its shape. */
  EPLB_ERROR_OUT_OF_MEMORY     = 8,  /**< Memory or a thread could not be had. */
  EPLB_ERROR_UNAVAILABLE       = 9,  /**< Not in this build, or no driver or device on this machine. */
  EPLB_ERROR_CANCELLED         = 10, /**< The progress callback asked to stop. */
  EPLB_ERROR_CUDA              = 11, /**< A CUDA call failed. */
  EPLB_ERROR_INTERNAL          = 12  /**< A bug in this library, a callback that threw, or data that changed meanwhile. */
};

/** Name of a status, such as "EPLB_ERROR_CUDA". Static, never NULL. */
EPLB_API const char* EPLB_CALL eplb_status_name(eplb_status status);
/** One sentence about a status. Static, never NULL. */
EPLB_API const char* EPLB_CALL eplb_status_string(eplb_status status);

/** What went wrong in one call; written by the call only when it fails. It belongs to the caller,
 *  so it needs no lock and no thread-local storage; one may serve any number of calls in turn. Call
 *  eplb_error_init() first: with one that is all zeros every call answers @ref EPLB_ERROR_STRUCT_SIZE. */
typedef struct eplb_error {
  uint32_t    struct_size;  /**< sizeof(eplb_error) in the caller. */
  eplb_status status;       /**< What the call returned. */
  char        message[504]; /**< One sentence naming the value and its place; ends in a 0. */
} eplb_error;

/** Empties @p error. @p struct_size is `sizeof(eplb_error)`. */
EPLB_API eplb_status EPLB_CALL eplb_error_init(eplb_error* error, size_t struct_size);
/** @} */

/** @defgroup shape Shape
 *  @{ */
/** The model's layers and experts, and the cluster they are placed on. Every extent is 1 to 65535.
 *  Slots are numbered gpu by gpu. Slot p of a layer lies on gpu p / (P / G) when P is a multiple of G;
 *  otherwise the first P % G gpus have one slot more than the rest, unless @c slots_per_gpu says how many each has.
 *  The three arrays are in host memory; no call keeps their addresses. */
typedef struct eplb_shape {
  uint32_t struct_size;          /**< sizeof(eplb_shape) in the caller. */
  int32_t  num_layers;           /**< L, MoE layers. */
  int32_t  num_logical_experts;  /**< E, experts in a layer. */
  int32_t  num_physical_experts; /**< P, slots of a layer over all gpus; at least E. */
  int32_t  num_groups;           /**< Router groups of consecutive experts; 1 (default) if the model has none. */
  int32_t  num_nodes;            /**< Nodes, within which gpus have fast links; default 1. */
  int32_t  num_gpus;             /**< G, gpus over all nodes, numbered node by node unless @c node_of_gpu says otherwise. */
  int32_t  reserved;             /**< 0. */
  const int32_t* slots_per_gpu;  /**< [G] slots of each gpu, P in all; 0 for one that is dead or leaving. NULL: as above. */
  size_t   slots_per_gpu_count;  /**< Its elements, G. */
  const float* speed_of_gpu;     /**< [G] relative speeds, 0.001 to 1000: what a gpu has to bear is its load / its speed.
                                      NULL: all are alike. */
  size_t   speed_of_gpu_count;   /**< Its elements, G. */
  const int32_t* node_of_gpu;    /**< [G] the node of each gpu, 0 to num_nodes - 1. NULL: G / num_nodes gpus each, in order. */
  size_t   node_of_gpu_count;    /**< Its elements, G. */
} eplb_shape;

/** Writes the defaults. @p struct_size is `sizeof(eplb_shape)`. */
EPLB_API eplb_status EPLB_CALL eplb_shape_init(eplb_shape* shape, size_t struct_size);
/** @} */

/** @defgroup options Options
 *  @{ */
/** How a placement is found. Every value but @ref EPLB_STRATEGY_AUTO and @ref EPLB_STRATEGY_SEARCH is a
 *  preset of the five packing choices in @ref eplb_options and never changes its maps. */
enum eplb_strategy {
  EPLB_STRATEGY_AUTO                = 0, /**< What we recommend, by the shape and max_samples of the options (in one call: by
                                              its samples and its current placement); may become better between minor
                                              versions. */
  EPLB_STRATEGY_LPT                 = 1, /**< Heaviest first, to the lightest gpu with room (DeepSeek's EPLB). */
  EPLB_STRATEGY_LPT_SWAP_MINMAX     = 2, /**< lpt, then 20 swaps between the heaviest and the lightest gpu. */
  EPLB_STRATEGY_LPT_RESTART4        = 3, /**< 4 perturbed lpt-swap-minmax, the one with the least spread. */
  EPLB_STRATEGY_LPT_SWAP_ANY        = 4, /**< lpt, then 50 swaps between the heaviest and any gpu. */
  EPLB_STRATEGY_LPT_RESTART64_ANY   = 5, /**< 64 perturbed lpt with 20 swaps heaviest to any, the lowest peak. */
  EPLB_STRATEGY_LPT_SWAP_L2         = 6, /**< lpt, then 50 swaps between any two gpus, on the sum of squares. */
  EPLB_STRATEGY_ZIGZAG_SWAP_MINMAX  = 7, /**< Dealt to and fro, then 20 swaps heaviest to lightest. */
  EPLB_STRATEGY_LPT_RESTART64_MINMAX = 8, /**< 64 perturbed lpt-swap-minmax, the lowest peak. */
  EPLB_STRATEGY_SEARCH = 9 /**< A tabu search over placements: under each sample by itself, on gpus as they are, from
                                the current placement if there is one, without two replicas of an expert on one gpu.
                                Unlike the presets it may change between minor versions. */
};

/** What counts as a locality boundary. */
enum eplb_policy {
  EPLB_POLICY_AUTO         = 0, /**< Global if there is 1 group and 1 node, which is the same; else
                                     hierarchical if num_groups % num_nodes == 0 and the nodes are alike: as
                                     many gpus that have slots, slots and speed on each. Global otherwise, as
                                     after the loss of a gpu or a node. */
  EPLB_POLICY_HIERARCHICAL = 1, /**< Groups to nodes, replicas within their node, replicas to gpus. */
  EPLB_POLICY_GLOBAL       = 2  /**< Groups and nodes play no part. */
};

/** Where a plan is computed. */
enum eplb_backend {
  EPLB_BACKEND_AUTO = 0, /**< Where the memory is: CPU for host memory, CUDA for CUDA memory. */
  EPLB_BACKEND_CPU  = 1, /**< On the host; needs no driver and never makes a CUDA call. */
  EPLB_BACKEND_CUDA = 2  /**< On one CUDA device. */
};

/** Where a buffer is. */
enum eplb_memory {
  EPLB_MEMORY_HOST = 0, /**< Host memory, pageable or pinned. */
  EPLB_MEMORY_CUDA = 1  /**< What the context's CUDA device can address: its own memory, managed, or pinned. */
};

/** The element type of a buffer. */
enum eplb_type {
  EPLB_TYPE_FLOAT32 = 0, /**< float; loads. */
  EPLB_TYPE_FLOAT64 = 1, /**< double; loads. */
  EPLB_TYPE_INT32   = 2, /**< int32_t; loads and maps. */
  EPLB_TYPE_INT64   = 3  /**< int64_t; loads and maps. */
};

/** The first packing of the items. */
enum eplb_initial {
  EPLB_INITIAL_PRESET = 0, /**< As the strategy has it. */
  EPLB_INITIAL_LPT    = 1, /**< Heaviest first, each to the lightest pack that has room. */
  EPLB_INITIAL_ZIGZAG = 2  /**< Heaviest first, to packs 0..m-1, m-1..0, 0..m-1, ... */
};

/** How strongly candidate c of C is perturbed; candidate 0 never is. */
enum eplb_amplitude_form {
  EPLB_AMPLITUDE_PRESET   = 0, /**< As the strategy has it. */
  EPLB_AMPLITUDE_CONSTANT = 1, /**< All by the same amplitude. */
  EPLB_AMPLITUDE_LINEAR   = 2  /**< By amplitude * c / (C - 1). */
};

/** Which two items may change places after the first packing. */
enum eplb_swap_scope {
  EPLB_SWAP_PRESET            = 0, /**< As the strategy has it. */
  EPLB_SWAP_NONE              = 1, /**< None. */
  EPLB_SWAP_HEAVIEST_LIGHTEST = 2, /**< One of the heaviest pack, one of the lightest; lowers the peak. */
  EPLB_SWAP_HEAVIEST_ANY      = 3, /**< One of the heaviest pack, one of any other; lowers the peak. */
  EPLB_SWAP_ANY_ANY           = 4  /**< Any two of different packs; lowers the sum of squared loads. */
};

/** Which candidate is the best. */
enum eplb_selection {
  EPLB_SELECTION_PRESET   = 0, /**< As the strategy has it. */
  EPLB_SELECTION_MAX_LOAD = 1, /**< The one whose heaviest pack is lightest. */
  EPLB_SELECTION_SPREAD   = 2  /**< The one with the least difference between heaviest and lightest pack. */
};

/** What becomes of several samples of the loads. */
enum eplb_samples {
  EPLB_SAMPLES_PRESET = 0, /**< As the strategy has it: search keeps them apart, the others add them up. */
  EPLB_SAMPLES_EACH   = 1, /**< Each is scaled to one total, and the plan is to be good under each. Search only. */
  EPLB_SAMPLES_SUM    = 2  /**< They are added up, as if recorded in one piece. */
};

/** What a search makes small: the sum over gpus and samples of a power of what each has to bear. */
enum eplb_objective {
  EPLB_OBJECTIVE_PRESET  = 0, /**< The 4th power for one sample, for which any will do; the 32nd for several. */
  EPLB_OBJECTIVE_POWER4  = 1, /**< Gpus below the peak count as well. Faster. */
  EPLB_OBJECTIVE_POWER32 = 2  /**< Nearly the peak alone. Better under loads to come, if there are several samples. */
};

/** Whether two replicas of an expert may be on one gpu, where they are of little use. */
enum eplb_duplicates {
  EPLB_DUPLICATES_PRESET = 0, /**< As the strategy has it: search avoids them, the others do not look. */
  EPLB_DUPLICATES_AVOID  = 1, /**< No expert twice on a gpu, wherever there are gpus enough. Search only. */
  EPLB_DUPLICATES_ALLOW  = 2  /**< It does not matter. */
};

/** The severity of a log line. */
enum eplb_log_level {
  EPLB_LOG_NONE    = 0, /**< Nothing is logged. */
  EPLB_LOG_WARNING = 1, /**< Something is not as it was probably meant: more threads than there is work for. */
  EPLB_LOG_INFO    = 2, /**< What was chosen when a context is created. */
  EPLB_LOG_DEBUG   = 3  /**< A line for each plan. */
};

/** Allocates @p size bytes, aligned as by malloc; NULL when there are none. */
typedef void* (EPLB_CALL *eplb_alloc_fn)(void* user, size_t size);
/** Frees what @ref eplb_alloc_fn gave. If it throws, nobody notices. */
typedef void (EPLB_CALL *eplb_free_fn)(void* user, void* pointer);
/** Takes one log line, valid during the call only. If it throws, nobody notices. */
typedef void (EPLB_CALL *eplb_log_fn)(void* user, int32_t level, const char* message);
/** Is told that @p done of @p total units of work are finished; returns 0 to go on, anything else
 *  to cancel, which leaves the outputs and the previous plan as they were. */
typedef int32_t (EPLB_CALL *eplb_progress_fn)(void* user, int64_t done, int64_t total);

/** How to plan. Callbacks run only on a thread that is inside a call of this library, the
 *  caller's own; none may call the library with the same context, nor longjmp or end its thread. */
typedef struct eplb_options {
  uint32_t struct_size;    /**< sizeof(eplb_options) in the caller. */
  int32_t  strategy;       /**< @ref eplb_strategy; default auto. */
  int32_t  policy;         /**< @ref eplb_policy; default auto. */
  int32_t  backend;        /**< @ref eplb_backend; default auto. */
  int32_t  memory;         /**< @ref eplb_memory of the buffers that will be given; default host. */
  int32_t  device;         /**< CUDA device number; default -1, the calling thread's current one. Unused on the CPU. */
  int32_t  num_threads;    /**< Threads of the CPU backend, the caller's included; default 1; 0: all that
                                the caller's affinity mask allows. At most 1024. */
  int32_t  max_samples;    /**< Largest number of samples in one submit; default 1. */
  int32_t  initial;        /**< @ref eplb_initial. This and the next six mix a strategy of your own: 0 keeps
                                what the preset has. */
  int32_t  candidates;     /**< Attempts at each packing problem; more than 1 draws random numbers. At most 65535. */
  float    amplitude;      /**< Largest relative perturbation of the sort keys, > 0. */
  int32_t  amplitude_form; /**< @ref eplb_amplitude_form. */
  int32_t  swap_scope;     /**< @ref eplb_swap_scope. */
  int32_t  max_swaps;      /**< Most swaps in one attempt. At most 65535. */
  int32_t  selection;      /**< @ref eplb_selection. */
  int32_t  log_level;      /**< @ref eplb_log_level, the most that is sent to @c log_fn; default info. */
  eplb_log_fn      log_fn;      /**< NULL: the library prints nothing anywhere. */
  eplb_progress_fn progress_fn; /**< NULL: none. */
  eplb_alloc_fn    alloc_fn;    /**< NULL: malloc. Set together with @c free_fn. */
  eplb_free_fn     free_fn;     /**< NULL: free. */
  void*            user;        /**< First argument of the four callbacks above. */
  int32_t  search_steps;   /**< Most steps of a search in each layer, or in each node of a layer; 0: 3 for each gpu,
                                4 where samples are kept apart. At most 65535. A step takes about
                                slots * slots / gpus * samples operations. */
  int32_t  samples;        /**< @ref eplb_samples. */
  int32_t  duplicates;     /**< @ref eplb_duplicates. */
  int32_t  objective;      /**< @ref eplb_objective. Search only. */
  void*    workspace;      /**< Memory of the CUDA device for the context to work in, the caller's until the context
                                is destroyed; NULL: the context allocates it, with cudaMalloc. */
  size_t   workspace_bytes; /**< Bytes at @c workspace, at least what eplb_memory_needed() says. */
} eplb_options;

/** Writes the defaults. @p struct_size is `sizeof(eplb_options)`. */
EPLB_API eplb_status EPLB_CALL eplb_options_init(eplb_options* options, size_t struct_size);

/** Number of strategies; their values are 0 up to it. */
EPLB_API int32_t EPLB_CALL eplb_strategy_count(void);
/** Name of a strategy, such as "lpt-swap-any", as documents and tools write it. Static; NULL for an
 *  unknown value. */
EPLB_API const char* EPLB_CALL eplb_strategy_name(int32_t strategy);
/** The @ref eplb_strategy of a name, -1 if there is none. */
EPLB_API int32_t EPLB_CALL eplb_strategy_from_name(const char* name);
/** One line about a strategy. Static; NULL for an unknown value. */
EPLB_API const char* EPLB_CALL eplb_strategy_description(int32_t strategy);

/** Number of backends this header knows, auto included; their values are 0 up to it. */
EPLB_API int32_t EPLB_CALL eplb_backend_count(void);
/** Name of a backend: "auto", "cpu", "cuda". Static; NULL for an unknown value. */
EPLB_API const char* EPLB_CALL eplb_backend_name(int32_t backend);
/** Success if @p backend can be used in this process now; otherwise @ref EPLB_ERROR_UNAVAILABLE, and
 *  @p error says why. Asking about CUDA initialises the driver, so do not ask before a fork. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_backend_available(int32_t backend, eplb_error* error);

/** Number of devices of a backend, 0 if it is not available; the host is one device of the CPU backend.
 *  Asking about CUDA initialises the driver, as does the next call. */
EPLB_API int32_t EPLB_CALL eplb_device_count(int32_t backend);
/** Writes one line about a device, cut to fit.
 *  @param[in]  backend @ref eplb_backend, not auto.
 *  @param[in]  device  0 up to eplb_device_count().
 *  @param[out] text    ends in a 0; untouched on failure.
 *  @param[in]  size    bytes at @p text, at least 1.
 *  @param[out] error   may be NULL. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_device_describe(int32_t backend, int32_t device, char* text, size_t size, eplb_error* error);
/** @} */

/** @defgroup data Loads, maps and statistics
 *  @{ */
/** What to plan from. */
typedef struct eplb_input {
  uint32_t    struct_size; /**< sizeof(eplb_input) in the caller. */
  int32_t     type;        /**< @ref eplb_type of the loads; default float32. Each is rounded once, to float32. */
  int32_t     memory;      /**< @ref eplb_memory of the loads; default host. */
  int32_t     num_samples; /**< S, loads of all layers recorded apart; default 1. See @ref eplb_samples. */
  const void* loads;       /**< [S][L][E] tokens of each expert, finite, >= 0. Thresholds inside count in tokens, so
                                give tokens, not fractions. A layer without any load is no error. */
  size_t      loads_count; /**< Elements at @c loads, at least S * L * E. */
  uint64_t    seed;        /**< Of the random numbers of strategies with several candidates; default 0. */
  const void* current;     /**< [L][P] the expert in each slot now, -1 for none, in the same kind of memory as the loads:
                                a search starts from there and moves what pays. Experts may be missing, as after the loss
                                of a gpu. Of a hierarchical plan: in a layer in which groups are on more than one node, or
                                too many on one, they go to nodes as from nothing, and what fits stays in its slot.
                                NULL (default): plan from nothing. Search only. */
  size_t      current_count; /**< Its elements, at least L * P. */
  int32_t     current_type;  /**< @ref EPLB_TYPE_INT32 (default) or @ref EPLB_TYPE_INT64. */
  int32_t     max_changes_per_layer; /**< Most slots of a layer that may hold another expert than now; 0: the current
                                placement is the plan; -1 (default): no limit. Slots that have to change, because they are
                                empty, their expert's group goes to another node, or an expert has none, must fit into it. */
  int64_t     max_changes;   /**< The same over all layers; -1 (default): no limit. */
} eplb_input;

/** Writes the defaults. @p struct_size is `sizeof(eplb_input)`. */
EPLB_API eplb_status EPLB_CALL eplb_input_init(eplb_input* input, size_t struct_size);

/** A placement, written by a plan or read to be judged (eplb_check_placement() and
 *  eplb_score_placement() do not write to it). Each buffer may be NULL: then it is not written, or not
 *  looked at. */
typedef struct eplb_maps {
  uint32_t struct_size;               /**< sizeof(eplb_maps) in the caller. */
  int32_t  type;                      /**< @ref EPLB_TYPE_INT32 (default) or @ref EPLB_TYPE_INT64, of all four. */
  int32_t  memory;                    /**< @ref eplb_memory of all four; default host. */
  int32_t  max_replicas;              /**< X, last extent of @c logical_to_physical; at least the largest count of
                                           the plan, for which P - E + 1 is always enough. */
  void*    physical_to_logical;       /**< [L][P] the expert in each slot; slots in order of gpu. */
  size_t   physical_to_logical_count; /**< Its elements, at least L * P. */
  void*    replica_rank;              /**< [L][P] which replica of its expert a slot holds, 0 the original. */
  size_t   replica_rank_count;        /**< Its elements, at least L * P. */
  void*    replica_count;             /**< [L][E] slots of each expert. */
  size_t   replica_count_count;       /**< Its elements, at least L * E. */
  void*    logical_to_physical;       /**< [L][E][X] slots of each expert, in order of replica rank, then -1. */
  size_t   logical_to_physical_count; /**< Its elements, at least L * E * X. */
} eplb_maps;

/** Writes the defaults. @p struct_size is `sizeof(eplb_maps)`. */
EPLB_API eplb_status EPLB_CALL eplb_maps_init(eplb_maps* maps, size_t struct_size);

/** How good a placement is under a load. The load of an expert is shared equally by its replicas.
 *  Balancedness of a layer is mean load of the gpus that have slots / largest gpu load, 1 at best, in float64 from
 *  the loads as float32; over several samples, the mean over those in which the layer has load. Where gpus have
 *  speeds: (all load / all speeds of gpus that have slots) / largest (gpu load / gpu speed). */
typedef struct eplb_stats {
  uint32_t struct_size;              /**< sizeof(eplb_stats) in the caller. */
  int32_t  max_replica_count;        /**< Out: most slots that one expert has. */
  double   balancedness;             /**< Out: mean over the layers that have load; 1 if none has. */
  double   balancedness_min;         /**< Out: its least over those layers; 1 if none has load. */
  int64_t  empty_layers;             /**< Out: layers without load in any sample. */
  int64_t  duplicates;               /**< Out: slots whose gpu holds the same expert in an earlier slot, all layers. */
  double*  layer_balancedness;       /**< In: buffer in host memory for [L] balancedness, 1 for a layer without load; or NULL. */
  size_t   layer_balancedness_count; /**< In: its elements, at least L. */
  double*  gpu_load;                 /**< In: buffer in host memory for [L][G] tokens of each gpu, mean over the samples; or NULL. */
  size_t   gpu_load_count;           /**< In: its elements, at least L * G. */
  double   bound;                    /**< Out: no placement on these gpus has larger balancedness; mean over the layers
                                          that have load, 1 if none has. From the mean load, from the hottest experts over the
                                          most replicas they can have, and from what fits into the slots of each gpu. It
                                          need not be reached by any placement. */
  double*  layer_bound;              /**< In: buffer in host memory for [L] the same of each layer, 1 for one without load;
                                          or NULL. */
  size_t   layer_bound_count;        /**< In: its elements, at least L. */
  int64_t  changes;                  /**< Out: slots that hold another expert than in eplb_input::current; 0 without one. */
} eplb_stats;

/** Writes the defaults: no buffers, the rest 0. @p struct_size is `sizeof(eplb_stats)`. */
EPLB_API eplb_status EPLB_CALL eplb_stats_init(eplb_stats* stats, size_t struct_size);
/** @} */

/** @defgroup oneshot In one call
 *  Host memory, on either backend; each call allocates what it needs and frees it before it returns. max_samples need not
 *  be set: there is only one submit.
 *  @{ */
/** Plans a placement: eplb_create(), eplb_submit_weights(), eplb_get_maps(), eplb_get_stats() and
 *  eplb_destroy() in one. What DeepSeek's function of this name does.
 *  @param[in]     shape   what to place on what.
 *  @param[in]     options how; NULL: the defaults.
 *  @param[in]     input   the loads.
 *  @param[in]     maps    buffers for the plan.
 *  @param[in,out] stats   the plan's statistics under these loads; NULL: not wanted.
 *  @param[out]    error   may be NULL. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_rebalance_experts(const eplb_shape* shape, const eplb_options* options, const eplb_input* input,
                       const eplb_maps* maps, eplb_stats* stats, eplb_error* error);
/** @} */

/** @defgroup context Context
 *  @{ */
/** A planner for one shape with all the memory that planning needs. Opaque. Not usable in the child
 *  of a fork: there every call answers @ref EPLB_ERROR_INVALID_STATE, and eplb_destroy() frees. */
typedef struct eplb_context eplb_context;

/** Creates a context. Allocates all memory that the context will ever use, in one piece (a thread
 *  takes its stack and a little more from the system). On the CPU it starts up to num_threads - 1
 *  threads, as many as find work: layers, or candidates where these are more. With CUDA it allocates one
 *  piece of the device's memory too (unless the caller gives it), a few bytes that are pinned, a stream and an
 *  event, and loads its kernels, so that the first submit may already be captured into a graph; it
 *  must not be called while a graph is being captured.
 *
 *  What can be planned: num_physical_experts at least num_logical_experts, on any gpus, by search; by the other
 *  strategies if it is a multiple of num_gpus, all gpus are alike, and none of the arrays of eplb_shape is given.
 *  And for a hierarchical plan num_logical_experts a multiple of num_groups, num_groups of num_nodes, on each node
 *  slots for its experts, and num_gpus a multiple of num_nodes unless eplb_shape::node_of_gpu is given; with CUDA
 *  num_layers * num_nodes is at most 2^30.
 *  @param[in]  shape   copied.
 *  @param[in]  options copied; NULL: the defaults. What its @c user points to must outlive the context.
 *  @param[out] context untouched on failure; give it to eplb_destroy().
 *  @param[out] error   may be NULL. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_create(const eplb_shape* shape, const eplb_options* options, eplb_context** context,
            eplb_error* error);

/** Frees a context, after work it has on a stream; NULL is allowed. Not while a call uses it, and not
 *  before the last launch of a graph into which it was captured has finished, nor while a graph is being
 *  captured. */
EPLB_API void EPLB_CALL eplb_destroy(eplb_context* context);

/** Bytes that eplb_create() would allocate, told without allocating and without a device or driver.
 *  @param[in]  shape      as for eplb_create().
 *  @param[in]  options    as for eplb_create().
 *  @param[out] host_bytes host memory, but for what threads take; NULL: not wanted.
 *  @param[out] cuda_bytes memory of the CUDA device, what eplb_options::workspace_bytes must be at least; NULL: not
 *                         wanted.
 *  @param[out] error      may be NULL. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_memory_needed(const eplb_shape* shape, const eplb_options* options, size_t* host_bytes,
                   size_t* cuda_bytes, eplb_error* error);

/** The strategy that plans, one of @ref eplb_strategy; what auto became. -1 for NULL. This and the next
 *  two may be called at any time, on any thread. */
EPLB_API int32_t EPLB_CALL eplb_context_strategy(const eplb_context* context);
/** Hierarchical or global, one of @ref eplb_policy; what auto became. -1 for NULL. */
EPLB_API int32_t EPLB_CALL eplb_context_policy(const eplb_context* context);
/** The backend that plans, one of @ref eplb_backend; what auto became. -1 for NULL. */
EPLB_API int32_t EPLB_CALL eplb_context_backend(const eplb_context* context);

/** Submits loads ("weights", as the field calls them) and plans. The plan is complete when the call
 *  returns; a call that fails leaves the previous plan readable. Does not allocate. A context of the CUDA
 *  backend works on a stream of its own, after what asynchronous calls have enqueued for the context and,
 *  as cudaMemcpy does, after work on the default stream; so do the next three.
 *  @param[in,out] context context.
 *  @param[in]     input   loads in the context's kind of memory.
 *  @param[out]    error   may be NULL. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_submit_weights(eplb_context* context, const eplb_input* input, eplb_error* error);

/** The largest number of slots that one expert has in the plan: the least eplb_maps::max_replicas.
 *  @param[in]  context context with a plan.
 *  @param[out] count   the number.
 *  @param[out] error   may be NULL. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_get_max_replica_count(eplb_context* context, int32_t* count, eplb_error* error);

/** Writes the plan into the caller's buffers. Does not allocate.
 *  @param[in]  context context with a plan.
 *  @param[in]  maps    buffers in the context's kind of memory.
 *  @param[out] error   may be NULL. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_get_maps(eplb_context* context, const eplb_maps* maps, eplb_error* error);

/** Judges the plan under the loads it was made for. Does not allocate.
 *  @param[in]     context context with a plan.
 *  @param[in,out] stats   written only on success.
 *  @param[out]    error   may be NULL. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_get_stats(eplb_context* context, eplb_stats* stats, eplb_error* error);
/** @} */

/** @defgroup streams CUDA streams
 *  For a context whose backend is CUDA and whose memory is @ref EPLB_MEMORY_CUDA; any other answers
 *  @ref EPLB_ERROR_INVALID_STATE. Each call enqueues on @p stream (a cudaStream_t or CUstream; NULL: the
 *  default stream) of the context's device and returns; it does not allocate, does not synchronise, leaves
 *  the calling thread's current device as it was, and may be captured into a CUDA graph. Structs are read
 *  before the call returns; buffers when the stream gets there. A graph keeps what the structs said, the seed
 *  and the addresses of the buffers; each launch of it plans from the loads that are then at the address.
 *
 *  A stream of another device is an error, but is not noticed while it is captured.
 *
 *  Calls of one context run in the order in which they were made, whatever their streams. Of graphs that
 *  is not known: launches of graphs with work of one context must not overlap with each other or with other
 *  work of that context, which is the caller's to see to. Contexts do not wait for each other.
 *
 *  The calls make CUDA calls of the calling thread, so in the child of a fork they fail, as CUDA does.
 *  @{ */
/** eplb_submit_weights() on a stream: 2 kernel launches (a search 1, or 2 where a limit of changes is shared), and 2 more
 *  where there are more groups than nodes.
 *  Loads found to be bad on the device leave the destination of later gets untouched, and eplb_poll(), and
 *  gets that block, say so until the next submit. There are no calls of progress_fn. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_submit_weights_async(eplb_context* context, const eplb_input* input, void* stream,
                          eplb_error* error);

/** eplb_get_maps() on a stream: 1 kernel launch. eplb_maps::max_replicas smaller than the plan's largest
 *  count is found on the device: nothing is written to logical_to_physical, and eplb_poll() says so. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_get_maps_async(eplb_context* context, const eplb_maps* maps, void* stream, eplb_error* error);

/** Outcome of the last submit and the gets after it: success, @ref EPLB_NOT_READY, or the error found on
 *  the device. Of what was captured into a graph, that of its last launch; @ref EPLB_NOT_READY before the first.
 *  A launch of a graph that has not begun on the device is not known to it: after one, poll once an event that
 *  was recorded behind it has completed. Does not block and makes no CUDA call; may be called from any thread at
 *  any time, also during a capture. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL eplb_poll(eplb_context* context, eplb_error* error);
/** @} */

/** @defgroup judge Judging any placement
 *  Host memory. Any P >= E and any gpus; groups and nodes play no part, but eplb_shape::node_of_gpu, if it is given,
 *  has to name nodes that there are. Each call allocates what it needs, with malloc, and frees it.
 *  @{ */
/** What eplb_check_placement() also looks at. */
enum eplb_check_flag {
  EPLB_CHECK_DUPLICATES = 1 /**< Two replicas of an expert on one gpu are an error too. */
};

/** Checks a placement: every slot holds an expert, every expert has a slot, and the other maps,
 *  where given, say the same as physical_to_logical.
 *  @param[in]  shape layers, experts, slots, gpus.
 *  @param[in]  maps  physical_to_logical, and any of the others.
 *  @param[in]  flags 0 or @ref eplb_check_flag.
 *  @param[out] error names the first place that is wrong; may be NULL.
 *  @return @ref EPLB_ERROR_INVALID_PLACEMENT if the placement is wrong. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_check_placement(const eplb_shape* shape, const eplb_maps* maps, uint32_t flags, eplb_error* error);

/** Judges a placement under any load, also one it was not planned for. Checks it first.
 *  @param[in]     shape layers, experts, slots, gpus.
 *  @param[in]     input the loads, and a current placement to count changes from; the rest is not used.
 *  @param[in]     maps  physical_to_logical, and any of the others.
 *  @param[in,out] stats written only on success.
 *  @param[out]    error may be NULL. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_score_placement(const eplb_shape* shape, const eplb_input* input, const eplb_maps* maps,
                     eplb_stats* stats, eplb_error* error);
/** @} */

/** @defgroup parts The parts of a plan
 *  The two steps that engines use by themselves. Host memory; each call allocates what it needs and
 *  frees it before it returns. max_samples need not be set; policy, groups and nodes play no part, and there is no
 *  current placement.
 *  @{ */
/** A packing problem for each row: n items into m packs, exactly n / m items in each. Where a message
 *  about a load says layer and expert, these are the row and the item. */
typedef struct eplb_packing {
  uint32_t struct_size;        /**< sizeof(eplb_packing) in the caller. */
  int32_t  type;               /**< @ref EPLB_TYPE_INT32 (default) or @ref EPLB_TYPE_INT64, of both outputs. */
  int32_t  memory;             /**< @ref eplb_memory of both outputs; default host. */
  int32_t  num_rows;           /**< X, independent problems. */
  int32_t  num_items;          /**< n, a multiple of m. With n = m item i goes to pack i. */
  int32_t  num_packs;          /**< m. */
  void*    pack_index;         /**< Out: [X][n] pack of each item; or NULL. */
  size_t   pack_index_count;   /**< Its elements, at least X * n. */
  void*    rank_in_pack;       /**< Out: [X][n] seat of each item in its pack, heaviest first; or NULL. */
  size_t   rank_in_pack_count; /**< Its elements, at least X * n. */
} eplb_packing;

/** Writes the defaults. @p struct_size is `sizeof(eplb_packing)`. */
EPLB_API eplb_status EPLB_CALL eplb_packing_init(eplb_packing* packing, size_t struct_size);

/** Packs items so that the loads of the packs are as equal as the strategy gets them.
 *  @param[in]  options strategy, packing choices, threads, callbacks; NULL: the defaults.
 *  @param[in]  input   loads of the items, [S][X][n].
 *  @param[in]  packing the problem and the buffers for its solution.
 *  @param[out] error   may be NULL. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_balanced_packing(const eplb_options* options, const eplb_input* input,
                      const eplb_packing* packing, eplb_error* error);

/** Gives each expert a slot, and each further slot to the expert with the largest load per replica
 *  (the lowest index on ties). Slots are in that order: experts first, then the extra replicas.
 *  @param[in]  shape   num_layers, num_logical_experts and num_physical_experts; the rest is not looked at.
 *  @param[in]  options threads and callbacks; with strategy search, by the root mean square of the samples instead of
 *                      their sum; NULL: the defaults.
 *  @param[in]  input   the loads.
 *  @param[in]  maps    buffers; physical_to_logical and logical_to_physical number the slots as above.
 *  @param[out] error   may be NULL. */
EPLB_API EPLB_NODISCARD eplb_status EPLB_CALL
eplb_replicate_experts(const eplb_shape* shape, const eplb_options* options, const eplb_input* input,
                       const eplb_maps* maps, eplb_error* error);
/** @} */

#ifdef __cplusplus
}
#endif
#endif /* EPLB_H */
