"""The records that Python fills and kernels read: one for a whole run, one for each thread, one for each operation.

All fields are 8 bytes wide. An address is a whole number; offsets and strides count numbers of the network's float
type. Buffers of the arena are (units, stride): a sample a column, so that vectors run along samples.
"""

from __future__ import annotations

import numpy as np

__all__ = ["ABORT", "LOCAL", "N_FACTORS", "N_ROLE", "OPERATION", "OPERATION_SIZE", "SHARED"]

WHOLE, REAL = np.int64, np.float64

N_FACTORS = 5  # the most numbers that an optimiser's formula takes beside its arrays
N_ROLE = 4  # numbers that tell of a block of parameters
ABORT = 2  # the value of `stop` at which threads leave at once; at 1 they end the step, or give it up

SHARED = np.dtype(
    [
        # the plan
        ("operations", WHOLE),  # address of the table
        ("n_operations", WHOLE),
        ("arena", WHOLE),  # address of the buffers
        ("stride", WHOLE),  # columns of a buffer, padding included
        ("chunk", WHOLE),  # samples that the arena holds at a time
        ("n_embeddings", WHOLE),  # operations that add samples to rows of a table
        ("n_members", WHOLE),  # of an ensemble; 0: one network
        ("home_step", WHOLE),  # from one thread's part of the arena to the next, where each has its own
        ("n_slices", WHOLE),  # parts of a chunk that threads share out, each with a gradient of its own; or 1
        ("n_features", WHOLE),
        ("n_outputs", WHOLE),
        ("n_targets", WHOLE),  # columns of T
        ("inputs", WHOLE),  # offset of X in the arena
        ("inputs_step", WHOLE),  # from one chunk's inputs to the next, where they all lie in the arena
        ("targets", WHOLE),  # offset of T
        ("targets_step", WHOLE),  # and from one chunk's targets to the next
        ("counts", WHOLE),  # offset of what each sample counts in the loss; a row below, in its gradient
        ("losses", WHOLE),  # offset of the loss of each sample
        ("outputs", WHOLE),  # offset of the outputs Y
        ("n_params", WHOLE),
        # addresses of kernels
        ("product", WHOLE),
        ("dots", WHOLE),
        ("transpose", WHOLE),
        ("gather", WHOLE),
        ("loss", WHOLE),
        ("narrow", WHOLE),  # all of a chunk but the gathering, for a narrow network; 0: operation by operation
        ("output", WHOLE),
        ("add_slices", WHOLE),
        ("clip", WHOLE),
        ("update", WHOLE),
        # the data
        ("X", WHOLE),
        ("T", WHOLE),
        ("weights", WHOLE),  # 0 where rows have none
        ("rows", WHOLE),  # int64 row numbers in the order of training; 0: as they are
        ("n_rows", WHOLE),  # how many of them
        ("Y", WHOLE),  # predictions go here
        ("loss_sums", WHOLE),  # of chunks or slices in training, of blocks in prediction; the network's float type
        # the state
        ("params", WHOLE),
        ("gradient", WHOLE),  # of the first slice,
        ("gradient_step", WHOLE),  # and from one slice's to the next
        ("average", WHOLE),  # of the parameters; 0: none is kept
        ("moment_1", WHOLE),
        ("moment_2", WHOLE),
        ("roles", WHOLE),  # int64 (n, 4), of parameter blocks: begin, end, whether weights, whether each member's own
        ("n_roles", WHOLE),
        # the steps
        ("batch", WHOLE),  # rows a step
        ("n_steps", WHOLE),
        ("step", WHOLE),  # done before this run
        ("rates", WHOLE),  # float64 (n_steps, 4), see `training.backend.RATES`
        ("factors", WHOLE),  # float64 (n_steps, 5), of the optimiser's formula
        ("seed", np.uint64),
        ("l1", REAL),
        ("l2", REAL),
        ("clip_norm", REAL),  # 0: none
        ("memory", REAL),  # of the average
        ("smoothing", REAL),
        ("smoothing_classes", WHOLE),
        ("mean", WHOLE),  # whether the loss is a mean over rows
        ("resident", WHOLE),  # whether X and T lie in the arena already
        # what comes back
        ("total_loss", REAL),  # summed over steps, times the weight of each batch
        ("n_done", WHOLE),  # steps finished
        ("finite", WHOLE),
        # threads
        ("n_threads", WHOLE),
        ("waiting", WHOLE),  # threads at the barrier
        ("round", WHOLE),  # barriers passed
        ("stop", WHOLE),  # address of a whole number that is set from outside
        ("stopping", WHOLE),  # what thread 0 made of it, for all
    ]
)

LOCAL = np.dtype(
    [
        ("thread", WHOLE),
        ("begin", WHOLE),  # the columns of the chunk that are this thread's for now, whole blocks
        ("end", WHOLE),
        ("gradient", WHOLE),  # address of the gradient to be summed,
        ("from_column", WHOLE),  # over these samples of the chunk,
        ("n_columns", WHOLE),
        ("adding", WHOLE),  # whether to add to what is there
        ("part", WHOLE),  # for this part of the parameters
        ("n_parts", WHOLE),
        ("first", WHOLE),  # position of the chunk's first sample in `rows`
        ("offset", WHOLE),  # the same, counted from the start of the batch
        ("n", WHOLE),  # samples in the chunk
        ("number", WHOLE),  # of the chunk within its batch
        ("member", WHOLE),  # of an ensemble, whose turn it is,
        ("going_on", WHOLE),  # with more of its samples: its weights are written out, its gradient is to be added to
        ("home", WHOLE),  # where this thread's own part of the arena begins
        ("written_out", WHOLE),  # address of the members' weights as they are multiplied with
        ("unfolding", WHOLE),  # and of where their gradients become those of what the members share
        ("share", REAL),  # of a sample of weight 1 in the reduced loss
        ("training", WHOLE),
        ("step", WHOLE),
        ("learning_rate", REAL),
        ("weight_decay", REAL),
        ("dropout", REAL),
        ("smoothing", REAL),
        ("scale", REAL),  # of the gradient, by clipping
        ("scratch", WHOLE),  # address of int64 numbers of this thread alone
        ("scratch_2", WHOLE),  # and of numbers of the network's float type
        # the range of parameters to update
        ("from_param", WHOLE),
        ("to_param", WHOLE),
        ("is_weight", WHOLE),
        ("run_step", WHOLE),  # steps of this run before
    ]
)

OPERATION = np.dtype(
    [
        ("forward", WHOLE),  # addresses of kernels, 0 where there is nothing to do
        ("backward", WHOLE),
        ("gradient", WHOLE),
        ("is_dense", WHOLE),
        ("is_embedding", WHOLE),
        ("shares", WHOLE),  # whether members share its weights
        ("written_out", WHOLE),  # where a member's weights are written out, from the beginning of all that are
        ("n_in", WHOLE),
        ("n_out", WHOLE),
        ("x", WHOLE),  # offsets in the arena: input,
        ("a", WHOLE),  # output,
        ("kept", WHOLE),  # what the backward pass needs beside them,
        ("dx", WHOLE),  # gradients with respect to input
        ("da", WHOLE),  # and output,
        ("da_rows", WHOLE),  # and the latter again with a sample a row
        ("n_wide", WHOLE),  # columns of da_rows; 0: it is not needed
        ("x_step", WHOLE),  # from one chunk's input to the next, where they all lie in the arena
        ("params", WHOLE),  # offset of its parameters in the flat vector
        ("input_gradient", WHOLE),  # for how many inputs, the last ones, dx is asked for
        ("layer", WHOLE),
        ("option", REAL),
        ("options", WHOLE),  # address of options of units: float64 of a loss, the float type of bins
    ]
)
OPERATION_SIZE = OPERATION.itemsize  # bytes from one row of the table to the next
