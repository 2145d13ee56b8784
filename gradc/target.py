"""What gradc assumes of CPUs and C compilers: one record, given to scheduling, lowering, printing and compiling.

The numbers are chosen by measurement (`benchmarks/`).  They are the same on every machine: the order in which sums are
added up follows from `lanes`, `rounds` and the limits of blocks, so results are the same bits whatever the CPU's
vectors, and a kernel is the same text.  Faults of compilers are rows of a table.
"""

from __future__ import annotations

from gradc.record import record


@record
class CompilerFault:
    """Wrong code that a compiler makes of right C, and the flag with which it can't.

    needs: an instruction set without which the fault does not show.  reduced: C that shows it, in
    tests/campaign/reduced.
    """

    kind: str
    flag: str
    needs: str
    reduced: str
    cause: str


# tests/campaign found these and looks for more in each new compiler (its README says how).  A row goes when no
# compiler in use has the fault.
FAULTS = (
    CompilerFault(
        "gcc", "-fno-tree-loop-if-convert", "", "masked_loads.c",
        "Loads in branches (the source's, or made by sinking and jump threading) become masked loads in vectors, "
        "whose permutations are dropped: each gets elements or the mask of another (bug 114375, seen in 11.3 and "
        "12.2, fixed in 14 and in later releases of the older ones).  Without if-conversion there are no masked "
        "loads.  What is chosen in vectors is a gradc_select of csrc/include/gradc_math.h, which has no branch."),
    CompilerFault(
        "gcc", "-mprefer-vector-width=256", "avx512f", "permuted_doubles.c",
        "Eight doubles are permuted by vpermilpd, which moves none across 128 bits, though elements 2 and 3 come "
        "from the upper half: avx_vpermilp_parallel of the i386 back end looks at one side of their range only "
        "(seen in 11.3 and 12.2).  GRADC_WIDE of csrc/include/gradc_sizes.h allows 512 bits where nothing is "
        "permuted."),
)


@record
class Target:
    """See the module's docstring; times are nanoseconds, sizes elements unless said otherwise."""

    # memory
    line: int = 64                  # bytes of a cache line: arrays of the arena begin at one
    small_array: int = 64           # of a step's value that is a C array: eight of the widest vectors of float64
    stack: int = 1 << 16            # bytes of such arrays in one C function
    # what a statement costs
    addition: float = 0.12          # one unit of a row's weight, per element
    recompute: int = 2              # additions' worth that is computed again rather than stored
    recompute_leaves: int = 3       # and from so many elements
    stored: int = 4                 # additions per element from which a store and a load of it pay
    call: int = 10                  # weight of a row of the table whose C is a call
    small_product: int = 512        # multiplications of a product of matrices that is faster as loops than by BLAS
    # where a value of a loop is computed: in each step, or of all rows at once
    unknown: int = 32               # a size that nothing is known about
    vector: int = 8                 # values of fewer elements gain from vector code over the rows
    room: int = 16                  # times the memory of the sequences that values before a loop may take
    drawn: int = 1 << 18            # random numbers that are drawn before a loop which has no other rows
    leaving: int = 100              # equations: a row or sum that takes more of them stays in its loop
    ends: int = 16                  # elements at the ends of a vector that are computed apart from the others
    copies: int = 24                # cheap operations that are computed again for such a part

    # folds
    lanes: int = 32                 # accumulators of one fold; a quarter where many folds share a loop (cache)
    shared_loop: int = 4            # folds of one loop that have all lanes
    unrolled: int = 64              # a fold over a static size up to this needs no lanes
    short_row: int = 8              # elements of a row that are folded one after the other, without lanes:
    short_body: int = 6             # in loops of so few statements, for the loop is printed once more
    rounds: int = 128               # elements of a lane of products of float32 that are added up in float32
    window: int = 24                # statements that the processor sees at once: in longer bodies their order counts
    # blocks of a parallel loop
    whole: int = 8192               # a nest of static sizes below this is not cut
    blocks_of_scalars: int = 256    # at most, where folds end in scalars
    blocks_of_rows: int = 16        # at most, where each block has rows of its own
    # tiles of rows
    tile: int = 16                  # rows: vectors enough for the functions, and few, so that they stay in the cache
    together: int = 4               # rows that share a pass of an inner loop
    shared_statements: int = 8      # of an inner loop that rows can share: more would not stay in registers
    fetch: int = 64                 # rows from the one at work to the one that is fetched
    # the C compiler, whose time grows with the square of a function's length
    nest: int = 400                 # statements of one loop nest
    fold: int = 8                   # a fold counts as so many: its lanes are memory, walked for every access
    many_equations: int = 4000      # of a Program, from which on nests are shorter, as there are so many:
    short_nest: int = 100           # in place of `nest`
    short_fold: int = 2             # in place of `fold`: -O1, which such units get, walks less
    function: int = 64              # calls or sizes in one C function; more follow in functions of their own
    pointers: int = 16              # arrays of a section, from which on a table says where they are: gcc takes 30 ms
                                    # for an initializer of a hundred
    one_copy: int = 24              # statements: a longer body with lanes is printed once, with a run-time width
    # statements from which on a unit is compiled with less effort: -O2 vectorises the same loops in half the time, -O1
    # (no vector code) takes half of that again, and graphs so large are seldom run on large arrays
    levels: tuple[tuple[int, str], ...] = ((6000, "-O1"), (1500, "-O2"), (0, "-O3"))

    deep: int = 10                  # loops in loops, from which on it is -O2: gcc takes 30 s for 33 at -O3

    def level(self, statements: int, deepest: int) -> str:
        """The optimisation flag for a unit of so many statements and loops in loops."""
        if deepest > self.deep:
            statements = max(statements, self.levels[1][0])
        return next(flag for least, flag in self.levels if statements >= least)


TARGET = Target()
