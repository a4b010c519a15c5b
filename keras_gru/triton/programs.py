"""The recurrence in Triton: all steps in one launch, the units spread over the GPU.

A program owns `ROWS` rows of the batch and `COLUMNS` units and walks over time. It
reads its columns of U once and keeps them in registers. A step needs the whole state
of its rows, which the programs of the same rows have written: they meet once a step
(`meet`), and with the reset before the product once more, because r ⊙ h must be whole
before U_n sees any of it. Rows do not need each other. All programs of a launch must
be on the GPU at the same time, or they would wait for ever: a cooperative launch.

This states the formula of `equations.py` and `gradients.py` a second time, over
inputs that are projected already; the tests tie both to the same oracle. Arrays are
dense and time-major, in processing order. Numbers are computed in float32 whatever
their dtype; they meet in the products, and wait between steps, in their own.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def tanh(a: tl.tensor) -> tl.tensor:
    """Triton has none: the series near 0, where the quotient would lose digits."""
    e = tl.exp(-2 * tl.abs(a))
    far = (1 - e) / (1 + e)
    s = a * a
    near = 17 / 315 - s * (62 / 2835)
    near = a * (1 - s * (1 / 3 - s * (2 / 15 - s * near)))
    return tl.where(tl.abs(a) < 0.25, near, tl.where(a < 0, -far, far))


@triton.jit
def mix(z: tl.tensor, h: tl.tensor, n: tl.tensor, KEEP: tl.constexpr) -> tl.tensor:
    """The new state, `equations.update`."""
    if KEEP:
        return z * h + (1 - z) * n
    return (1 - z) * h + z * n


@triton.jit
def load(pointer: tl.tensor, inside: tl.tensor) -> tl.tensor:
    """float32, 0 outside."""
    return tl.load(pointer, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def arrive(arrived: tl.tensor, EVERYONE: tl.constexpr) -> None:
    """Says that what this program has written is there for those of the same rows."""
    tl.debug_barrier()
    if EVERYONE > 1:
        tl.atomic_add(arrived, 1, sem="release")


@triton.jit
def wait(arrived: tl.tensor, EVERYONE: tl.constexpr, meetings: int) -> None:
    """Waits until all `EVERYONE` have arrived at all `meetings` so far."""
    if EVERYONE > 1:
        while tl.atomic_add(arrived, 0, sem="acquire") < EVERYONE * meetings:
            pass
        tl.debug_barrier()


@triton.jit
def columns_of(
    matrix: tl.tensor,  # (UNITS, WIDTH), moved on to the first column wanted
    column: tl.tensor,
    start: int,
    UNITS: tl.constexpr,
    WIDTH: tl.constexpr,
    SPLIT: tl.constexpr,
    DEPTH: tl.constexpr,
) -> tl.tensor:
    """matrix[start:, column] as (SPLIT, DEPTH, COLUMNS), 0 outside."""
    part = tl.arange(0, SPLIT)[:, None, None]
    k = start + part * DEPTH + tl.arange(0, DEPTH)[None, :, None]
    inside = (k < UNITS) & (column < UNITS)[None, None, :]
    return tl.load(matrix + k * WIDTH + column[None, None, :], mask=inside, other=0.0)


@triton.jit
def product(
    left: tl.tensor,  # (batch, UNITS)
    right: tl.tensor,  # (UNITS, WIDTH), moved on to the first column wanted
    held: tl.tensor,  # its columns, where RESIDENT
    row: tl.tensor,
    column: tl.tensor,
    batch: int,
    UNITS: tl.constexpr,
    WIDTH: tl.constexpr,
    RESIDENT: tl.constexpr,
    STAGES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    SPLIT: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
) -> tl.tensor:
    """left[row, :] @ right[:, column]; each warp takes a part of the sums.

    `left` is read from L2, past L1, which does not see what other multiprocessors
    write.
    """
    part = tl.arange(0, SPLIT)[:, None, None]
    if SPLIT > 1:
        total = tl.zeros((SPLIT, ROWS, COLUMNS), tl.float32)
    else:
        total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in tl.range(0, UNITS, SPLIT * DEPTH, num_stages=STAGES):
        k = start + part * DEPTH + tl.arange(0, DEPTH)[None, None, :]
        inside = (k < UNITS) & (row < batch)[None, :, None]
        at = left + row[None, :, None] * UNITS + k
        a = tl.load(at, mask=inside, other=0.0, cache_modifier=".cg")
        if RESIDENT:
            b = held
        else:
            b = columns_of(right, column, start, UNITS, WIDTH, SPLIT, DEPTH)
        if SPLIT == 1:
            a = tl.reshape(a, (ROWS, DEPTH))
            b = tl.reshape(b, (DEPTH, COLUMNS))
        total = tl.dot(a, b, total, input_precision=PRECISION)
    if SPLIT > 1:
        total = tl.sum(total, axis=0)
    return total


@triton.jit(do_not_specialize=["timesteps", "batch", "first"])
def forward(
    x: tl.tensor,  # projected inputs (time, batch, 3 * UNITS)
    h0: tl.tensor,  # (batch, UNITS)
    kernel: tl.tensor,  # U (UNITS, 3 * UNITS)
    bias: tl.tensor,  # c (3 * UNITS,), read where BIASED
    mask: tl.tensor,  # (time, batch) int8, read where MASKED
    states: tl.tensor,  # out: (time, batch, UNITS)
    z: tl.tensor,  # out, as r and n: (time, batch, UNITS), where SAVED
    r: tl.tensor,
    n: tl.tensor,
    recurrent_n: tl.tensor,  # out: U_n h + c_n likewise, with RESET_AFTER
    reset: tl.tensor,  # room for r ⊙ h, (batch, UNITS), without RESET_AFTER
    arrived: tl.tensor,  # a zero for each block of rows
    timesteps: int,
    batch: int,
    first: int,  # the first block of rows
    UNITS: tl.constexpr,
    RESET_AFTER: tl.constexpr,
    KEEP: tl.constexpr,
    BIASED: tl.constexpr,
    MASKED: tl.constexpr,
    SAVED: tl.constexpr,
    ROWS: tl.constexpr,
    RESIDENT: tl.constexpr,
    STAGES: tl.constexpr,
    COLUMNS: tl.constexpr,
    SPLIT: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """The states, and for the backward pass the gates."""
    WIDTH: tl.constexpr = 3 * UNITS
    EVERYONE: tl.constexpr = -(-UNITS // COLUMNS)
    block = first + tl.program_id(0)
    arrived += block
    row = block * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    alive = (row < batch)[:, None]
    used = alive
    inside = alive & (column < UNITS)[None, :]
    at = row[:, None] * UNITS + column[None, :]
    x += row[:, None] * WIDTH + column[None, :]
    # Held for all steps, where RESIDENT; otherwise the compiler drops these loads.
    u_z = columns_of(kernel, column, 0, UNITS, WIDTH, SPLIT, DEPTH)
    u_r = columns_of(kernel + UNITS, column, 0, UNITS, WIDTH, SPLIT, DEPTH)
    u_n = columns_of(kernel + 2 * UNITS, column, 0, UNITS, WIDTH, SPLIT, DEPTH)
    if BIASED:
        c = bias + column[None, :]
        c_z = load(c, (column < UNITS)[None, :])
        c_r = load(c + UNITS, (column < UNITS)[None, :])
        c_n = load(c + 2 * UNITS, (column < UNITS)[None, :])
    h = load(h0 + at, inside)
    previous = h0
    meetings = 0
    for step in range(timesteps):
        if MASKED:
            used = tl.load(mask + row, mask=row < batch, other=0)[:, None] != 0
        x_z = load(x, inside)  # asked for early, for they do not wait for others
        x_r = load(x + UNITS, inside)
        x_n = load(x + 2 * UNITS, inside)
        if step > 0:
            wait(arrived, EVERYONE, meetings)
        a_z = x_z + product(
            previous, kernel, u_z,
            row, column, batch, UNITS, WIDTH, RESIDENT,
            STAGES, ROWS, COLUMNS, SPLIT, DEPTH, PRECISION,
            )  # fmt: skip
        a_r = x_r + product(
            previous, kernel + UNITS, u_r,
            row, column, batch, UNITS, WIDTH, RESIDENT,
            STAGES, ROWS, COLUMNS, SPLIT, DEPTH, PRECISION,
            )  # fmt: skip
        if BIASED:
            a_z += c_z
            a_r += c_r
        gate_z = tl.sigmoid(a_z)
        gate_r = tl.sigmoid(a_r)
        if RESET_AFTER:
            a_n = product(
                previous, kernel + 2 * UNITS, u_n,
                row, column, batch, UNITS, WIDTH, RESIDENT,
                STAGES, ROWS, COLUMNS, SPLIT, DEPTH, PRECISION,
                )  # fmt: skip
            if BIASED:
                a_n += c_n
            candidate = tanh(x_n + gate_r * a_n)
        else:
            tl.store(reset + at, gate_r * h, mask=inside)
            arrive(arrived, EVERYONE)
            meetings += 1
            wait(arrived, EVERYONE, meetings)
            a_n = x_n + product(
                reset, kernel + 2 * UNITS, u_n,
                row, column, batch, UNITS, WIDTH, RESIDENT,
                STAGES, ROWS, COLUMNS, SPLIT, DEPTH, PRECISION,
                )  # fmt: skip
            candidate = tanh(a_n)
        new = tl.where(used, mix(gate_z, h, candidate, KEEP), h)
        h = new.to(states.dtype.element_ty).to(tl.float32)
        tl.store(states + at, h, mask=inside)
        arrive(arrived, EVERYONE)
        meetings += 1
        if SAVED:
            if RESET_AFTER:
                tl.store(recurrent_n + at, a_n, mask=inside)
            tl.store(z + at, gate_z, mask=inside)
            tl.store(r + at, gate_r, mask=inside)
            tl.store(n + at, candidate, mask=inside)
            z += batch * UNITS
            r += batch * UNITS
            n += batch * UNITS
            if RESET_AFTER:
                recurrent_n += batch * UNITS
        previous = states
        x += batch * WIDTH
        states += batch * UNITS
        if MASKED:
            mask += batch


@triton.jit(do_not_specialize=["timesteps", "batch", "first"])
def backward(
    d_states: tl.tensor,  # (time, batch, UNITS), as all without a shape
    previous: tl.tensor,  # the state before each step
    z: tl.tensor,
    r: tl.tensor,
    n: tl.tensor,
    recurrent_n: tl.tensor,  # with RESET_AFTER
    mask: tl.tensor,  # (time, batch) int8, read where MASKED
    kernel: tl.tensor,  # Uᵀ (3 * UNITS, UNITS)
    d_h0: tl.tensor,  # out: (batch, UNITS) float32
    d_z: tl.tensor,  # out, as those below: before the activations
    d_r: tl.tensor,
    d_n: tl.tensor,
    d_recurrent_n: tl.tensor,  # with RESET_AFTER
    arrived: tl.tensor,  # a zero for each block of rows
    timesteps: int,
    batch: int,
    first: int,  # the first block of rows
    UNITS: tl.constexpr,
    RESET_AFTER: tl.constexpr,
    KEEP: tl.constexpr,
    MASKED: tl.constexpr,
    ROWS: tl.constexpr,
    RESIDENT: tl.constexpr,
    STAGES: tl.constexpr,
    COLUMNS: tl.constexpr,
    SPLIT: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """The gradients of h0 and of what enters the activations; see `gradients`."""
    SQUARE: tl.constexpr = UNITS * UNITS
    EVERYONE: tl.constexpr = -(-UNITS // COLUMNS)
    block = first + tl.program_id(0)
    arrived += block
    row = block * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    alive = (row < batch)[:, None]
    used = alive
    inside = alive & (column < UNITS)[None, :]
    at = row[:, None] * UNITS + column[None, :]
    # Held for all steps, where RESIDENT; otherwise the compiler drops these loads.
    u_z = columns_of(kernel, column, 0, UNITS, UNITS, SPLIT, DEPTH)
    u_r = columns_of(kernel + SQUARE, column, 0, UNITS, UNITS, SPLIT, DEPTH)
    u_n = columns_of(kernel + 2 * SQUARE, column, 0, UNITS, UNITS, SPLIT, DEPTH)
    # A time-major array is longer than 32 bits can count.
    last = tl.cast(timesteps - 1, tl.int64) * batch
    d_states += last * UNITS
    previous += last * UNITS
    z += last * UNITS
    r += last * UNITS
    n += last * UNITS
    d_z += last * UNITS
    d_r += last * UNITS
    d_n += last * UNITS
    if RESET_AFTER:
        recurrent_n += last * UNITS
        d_recurrent_n += last * UNITS
    if MASKED:
        mask += last
    d = tl.zeros((ROWS, COLUMNS), tl.float32)
    meetings = 0
    d_state = load(d_states + at, inside)
    h = load(previous + at, inside)
    gate_z = load(z + at, inside)
    gate_r = load(r + at, inside)
    candidate = load(n + at, inside)
    if RESET_AFTER:
        u_h = load(recurrent_n + at, inside)
    for step in range(timesteps):
        if MASKED:
            used = tl.load(mask + row, mask=row < batch, other=0)[:, None] != 0
        d += d_state
        if KEEP:
            term_z, term_n, rest = d * (h - candidate), 1 - gate_z, gate_z
        else:
            term_z, term_n, rest = d * (candidate - h), gate_z, 1 - gate_z
        term_z = tl.where(used, term_z * gate_z * (1 - gate_z), 0.0)
        term_n = tl.where(used, d * term_n * (1 - candidate * candidate), 0.0)
        d = tl.where(used, d * rest, d)
        slope = gate_r * (1 - gate_r)
        tl.store(d_z + at, term_z, mask=inside)
        tl.store(d_n + at, term_n, mask=inside)
        if RESET_AFTER:
            tl.store(d_r + at, term_n * u_h * slope, mask=inside)
            tl.store(d_recurrent_n + at, term_n * gate_r, mask=inside)
        arrive(arrived, EVERYONE)
        meetings += 1
        # The next step's, which do not wait for others.
        d_states -= batch * UNITS
        previous -= batch * UNITS
        z -= batch * UNITS
        r -= batch * UNITS
        n -= batch * UNITS
        more = inside & (step + 1 < timesteps)
        d_state = load(d_states + at, more)
        gate_z = load(z + at, more)
        candidate = load(n + at, more)
        next_h = load(previous + at, more)
        next_r = load(r + at, more)
        if RESET_AFTER:
            recurrent_n -= batch * UNITS
            u_h = load(recurrent_n + at, more)
        wait(arrived, EVERYONE, meetings)
        d += product(
            d_z, kernel, u_z,
            row, column, batch, UNITS, UNITS, RESIDENT,
            STAGES, ROWS, COLUMNS, SPLIT, DEPTH, PRECISION,
        )  # fmt: skip
        if RESET_AFTER:
            d += product(
                d_recurrent_n, kernel + 2 * SQUARE, u_n,
                row, column, batch, UNITS, UNITS, RESIDENT,
                STAGES, ROWS, COLUMNS, SPLIT, DEPTH, PRECISION,
            )  # fmt: skip
        else:
            d_reset = product(
                d_n, kernel + 2 * SQUARE, u_n,
                row, column, batch, UNITS, UNITS, RESIDENT,
                STAGES, ROWS, COLUMNS, SPLIT, DEPTH, PRECISION,
            )  # fmt: skip
            d += d_reset * gate_r
            tl.store(d_r + at, d_reset * h * slope, mask=inside)
            arrive(arrived, EVERYONE)
            meetings += 1
            wait(arrived, EVERYONE, meetings)
        d += product(
            d_r, kernel + SQUARE, u_r,
            row, column, batch, UNITS, UNITS, RESIDENT,
            STAGES, ROWS, COLUMNS, SPLIT, DEPTH, PRECISION,
        )  # fmt: skip
        h = next_h
        gate_r = next_r
        d_z -= batch * UNITS
        d_r -= batch * UNITS
        d_n -= batch * UNITS
        if RESET_AFTER:
            d_recurrent_n -= batch * UNITS
        if MASKED:
            mask -= batch
    tl.store(d_h0 + at, d, mask=inside)
