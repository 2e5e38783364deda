"""The numbers of the engine, each with its unit; above each group, the command that measures their effect.

A module takes its own by name, so a test may change one where it is used. Those of the compiled steps stay in their
file (`cells/compiled.py`): numba notices changes of a function's own file only.
"""

# Where a solve begins. `python -m benchmarks --problems squares,tall`.
MIXED = 1 << 17  # cells from which the first steps are taken in single precision
PLAIN = 2.0**16  # units from its inverse up to it: neither squares nor single precision come near their limits

# Single precision. The accuracy beside the time in `python -m benchmarks`.
ROUNDED = 2e-6  # violation of the constraint, relative to the data, down to which its rounding does no harm
COARSE = 1e-3  # error of ADMM down to which it goes where no gap is wanted

# When inexact ALM is over. `make hard-cases`.
PATIENCE = 10  # steps in which the error must halve, once the penalty has stopped growing

# The certificate. `make hard-cases`; laws in tests/test_engine_promises.py.
MISSED = 1e-3  # share by which a missed singular value may exceed the threshold

# Which singular values, by which route. `python -m benchmarks.narrow` and `make floor`; accuracy by `make hard-cases`.
EIGEN = 20  # an eigendecomposition of order n takes as long as this many n^3 operations of a product
ROUNDS = 1.1  # power steps that a subspace usually needs
READ = 16  # reading the matrix once more takes as long as this many operations of a product per cell
SETTLED = 1e-4  # relative change of a Ritz value between power steps below which it has settled
FROM_NOTHING = 1e-10  # the same where no subspace is known yet, but a solution nearly is
EARLY = 1e-2  # the same while the iteration itself is far from its end
FRESH = 2  # random directions that join the subspace in every step
SMALLEST = 1 << 13  # cells below which a subspace saves no more than its calls cost: every step may be exact
CLEAR = 0.8  # some direction of the subspace must lie below this share of the threshold
WAIT = 3  # steps without a try after a subspace that did not pay
LEADING = 64  # vectors that are kept beside a matrix that was made of all
GRAM_RANGE = 1e6  # singular values further below the largest than this drown in a Gram matrix
SPLIT = 1e-3  # share of the largest singular value below which a second Gram matrix is made
DOUBLE_RANGE = 1e8  # ratio of singular values that two Gram matrices still resolve

# Gram matrices. `make floor` (order of the eigenproblem), `make peaks` (rooms).
SMALL = 256  # up to here the full eigendecomposition of a Gram matrix is cheaper than anything iterative
MODERATE = 384  # up to here some matrices of this order are small enough beside the data to save time with them
CHUNK = 1 << 17  # cells per product
RESIDUAL = 3e-3  # of a singular pair; its value is then right to about the square of that

# Factors. `make floor`, `make peaks`.
SQUARE = 32  # columns up to which one product with a square matrix is as cheap as two with thin ones
ROWS = 64  # of a square factor computed at a time: a weighted copy of all vectors would double the memory

# Large Gram matrices. `make peaks`.
WIDTH = 128  # columns of a panel
HEIGHT = 128  # rows of a panel, or of single-precision data, that are worked on at a time

# Shares of the workers. `python -m benchmarks --problems squares`.
QUICK = 1 << 24  # multiplications x bytes up to which one worker ends a product before another has woken up

# Passes. `python -m benchmarks --problems squares,tall`, `make peaks`.
BLOCK = 1 << 19  # bytes of a block: small enough for the cache, large enough for the products
SHARED = 1 << 17  # cells from which the workers share the blocks

# Reading. `make peaks`.
TILE = 64  # columns that are read at a time where a row does not lie together in memory

# Order statistics of GoDec and alternating projections.
SAMPLE = 1 << 14  # cells whose sorted values bracket an order statistic
PROJECTED = 1 << 15  # cells of a block

# Stacks. `make clips`.
SMALLER_SIDE = 128  # up to here the eigenproblem of the Gram matrix beats any other threshold
GROUP_CELLS = 3 << 16  # cells of a group: its handful of arrays stay in a core's own cache
COMPILED_CLIPS = 2000  # loading (and once per machine, compiling) takes seconds: fewer are done sooner without

# CuPy. `python -m benchmarks.gpu` (`make gpu-check` for the laws).
CHECK_EVERY = 5  # steps between looks at the device: each look waits for everything before it
GRAM_SIDE = 768  # a single larger matrix takes the subspace route
BATCH_SIDE = 128  # larger matrices of a stack are solved one by one
GUARD = 10  # directions beyond the wanted ones: the subspace converges by the gap behind them
MOVED = 1e-2  # how far Ritz values above the threshold may still move in the last power step
POWER_STEPS = 6  # of a subspace, at most
SHIFT = 1e-14  # of the trace: keeps Cholesky factors of deficient Gram matrices finite
TOGETHER = 1 << 27  # numbers of a batched eigenproblem: cuSOLVER counts its working memory in 32 bits
