"""The recurrence in Triton: all steps of some rows of the batch in one program.

A program owns `ROWS` rows of the batch and walks over time; no row needs another, so
that programs never wait for each other. The state does not fit into registers:
within a step the units are taken by blocks, and what a later block or step reads of
an earlier one goes through global memory, where the caches hold it. A barrier parts
writing from reading; with the reset before the product there is one more, because
r ⊙ h must be whole before U_n sees any of it. U is read anew in every step, from L2.

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
def add_product(
    total: tl.tensor,
    left: tl.tensor,  # (batch, UNITS)
    right: tl.tensor,  # (UNITS, WIDTH), moved on to the first column wanted
    row: tl.tensor,
    alive: tl.tensor,
    column: tl.tensor,
    UNITS: tl.constexpr,
    WIDTH: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
) -> tl.tensor:
    """total + left[row, :] @ right[:, column]."""
    for start in range(0, UNITS, DEPTH):
        k = start + tl.arange(0, DEPTH)
        a = tl.load(
            left + row[:, None] * UNITS + k[None, :],
            mask=alive & (k < UNITS)[None, :],
            other=0.0,
        )
        b = tl.load(
            right + k[:, None] * WIDTH + column[None, :],
            mask=(k < UNITS)[:, None] & (column < UNITS)[None, :],
            other=0.0,
        )
        total = tl.dot(a, b, total, input_precision=PRECISION)
    return total


@triton.jit(do_not_specialize=["timesteps", "batch"])
def forward(
    x: tl.tensor,  # projected inputs (time, batch, 3 * UNITS)
    h0: tl.tensor,  # (batch, UNITS)
    kernel: tl.tensor,  # U (UNITS, 3 * UNITS)
    bias: tl.tensor,  # c (3 * UNITS,), read where BIASED
    mask: tl.tensor,  # (time, batch) int8, read where MASKED
    states: tl.tensor,  # out: (time, batch, UNITS)
    z: tl.tensor,  # out, as r and n: (time, batch, UNITS) where SAVED, else (batch, …)
    r: tl.tensor,
    n: tl.tensor,
    recurrent_n: tl.tensor,  # out: U_n h + c_n likewise, with RESET_AFTER
    reset: tl.tensor,  # room for r ⊙ h, (batch, UNITS), without RESET_AFTER
    timesteps: int,
    batch: int,
    UNITS: tl.constexpr,
    RESET_AFTER: tl.constexpr,
    KEEP: tl.constexpr,
    BIASED: tl.constexpr,
    MASKED: tl.constexpr,
    SAVED: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """The states, and for the backward pass the gates."""
    WIDTH: tl.constexpr = 3 * UNITS
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    alive = (row < batch)[:, None]
    used = alive
    previous = h0
    for _ in range(timesteps):
        if MASKED:
            used = tl.load(mask + row, mask=row < batch, other=0)[:, None] != 0
        for start in range(0, UNITS, COLUMNS):
            column = start + tl.arange(0, COLUMNS)
            inside = alive & (column < UNITS)[None, :]
            at = row[:, None] * UNITS + column[None, :]
            at_x = x + row[:, None] * WIDTH + column[None, :]
            zero = tl.zeros((ROWS, COLUMNS), tl.float32)
            a_z = add_product(
                zero, previous, kernel,
                row, alive, column, UNITS, WIDTH, DEPTH, PRECISION,
            )  # fmt: skip
            a_r = add_product(
                zero, previous, kernel + UNITS,
                row, alive, column, UNITS, WIDTH, DEPTH, PRECISION,
            )  # fmt: skip
            if BIASED:
                c = bias + column[None, :]
                a_z += load(c, (column < UNITS)[None, :])
                a_r += load(c + UNITS, (column < UNITS)[None, :])
            gate_z = tl.sigmoid(a_z + load(at_x, inside))
            gate_r = tl.sigmoid(a_r + load(at_x + UNITS, inside))
            h = load(previous + at, inside)
            tl.store(z + at, gate_z, mask=inside)
            tl.store(r + at, gate_r, mask=inside)
            if RESET_AFTER:
                a_n = add_product(
                    zero, previous, kernel + 2 * UNITS,
                    row, alive, column, UNITS, WIDTH, DEPTH, PRECISION,
                )  # fmt: skip
                if BIASED:
                    a_n += load(c + 2 * UNITS, (column < UNITS)[None, :])
                tl.store(recurrent_n + at, a_n, mask=inside)
                candidate = tanh(load(at_x + 2 * UNITS, inside) + gate_r * a_n)
                tl.store(n + at, candidate, mask=inside)
                new = tl.where(used, mix(gate_z, h, candidate, KEEP), h)
                tl.store(states + at, new, mask=inside)
            else:
                tl.store(reset + at, gate_r * h, mask=inside)
        tl.debug_barrier()
        if not RESET_AFTER:
            for start in range(0, UNITS, COLUMNS):
                column = start + tl.arange(0, COLUMNS)
                inside = alive & (column < UNITS)[None, :]
                at = row[:, None] * UNITS + column[None, :]
                at_x = x + row[:, None] * WIDTH + column[None, :]
                a_n = add_product(
                    load(at_x + 2 * UNITS, inside), reset, kernel + 2 * UNITS,
                    row, alive, column, UNITS, WIDTH, DEPTH, PRECISION,
                )  # fmt: skip
                candidate = tanh(a_n)
                tl.store(n + at, candidate, mask=inside)
                h = load(previous + at, inside)
                gate_z = load(z + at, inside)
                new = tl.where(used, mix(gate_z, h, candidate, KEEP), h)
                tl.store(states + at, new, mask=inside)
            tl.debug_barrier()
        previous = states
        x += batch * WIDTH
        states += batch * UNITS
        if MASKED:
            mask += batch
        if SAVED:
            z += batch * UNITS
            r += batch * UNITS
            n += batch * UNITS
            if RESET_AFTER:
                recurrent_n += batch * UNITS


@triton.jit(do_not_specialize=["timesteps", "batch"])
def backward(
    d_states: tl.tensor,  # (time, batch, UNITS), as all without a shape
    previous: tl.tensor,  # the state before each step
    z: tl.tensor,
    r: tl.tensor,
    n: tl.tensor,
    recurrent_n: tl.tensor,  # with RESET_AFTER
    mask: tl.tensor,  # (time, batch) int8, read where MASKED
    kernel: tl.tensor,  # Uᵀ (3 * UNITS, UNITS)
    d: tl.tensor,  # in: zeros, out: the gradient of h0; (batch, UNITS) float32
    d_z: tl.tensor,  # out, as those below: before the activations
    d_r: tl.tensor,
    d_n: tl.tensor,
    d_recurrent_n: tl.tensor,  # with RESET_AFTER
    timesteps: int,
    batch: int,
    UNITS: tl.constexpr,
    RESET_AFTER: tl.constexpr,
    KEEP: tl.constexpr,
    MASKED: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
) -> None:
    """The gradients of h0 and of what enters the activations; see `gradients`."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    alive = (row < batch)[:, None]
    used = alive
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
    for _ in range(timesteps):
        if MASKED:
            used = tl.load(mask + row, mask=row < batch, other=0)[:, None] != 0
        for start in range(0, UNITS, COLUMNS):
            column = start + tl.arange(0, COLUMNS)
            inside = alive & (column < UNITS)[None, :]
            at = row[:, None] * UNITS + column[None, :]
            d_h = load(d + at, inside) + load(d_states + at, inside)
            h = load(previous + at, inside)
            gate_z = load(z + at, inside)
            candidate = load(n + at, inside)
            if KEEP:
                term_z, term_n, rest = d_h * (h - candidate), 1 - gate_z, gate_z
            else:
                term_z, term_n, rest = d_h * (candidate - h), gate_z, 1 - gate_z
            term_z = term_z * gate_z * (1 - gate_z)
            term_n = d_h * term_n * (1 - candidate * candidate)
            tl.store(d + at, tl.where(used, d_h * rest, d_h), mask=inside)
            tl.store(d_z + at, tl.where(used, term_z, 0.0), mask=inside)
            tl.store(d_n + at, tl.where(used, term_n, 0.0), mask=inside)
            if RESET_AFTER:
                gate_r = load(r + at, inside)
                term_r = load(recurrent_n + at, inside) * gate_r * (1 - gate_r)
                term_r = tl.where(used, term_n * term_r, 0.0)
                tl.store(d_r + at, term_r, mask=inside)
                term_n = tl.where(used, term_n * gate_r, 0.0)
                tl.store(d_recurrent_n + at, term_n, mask=inside)
        tl.debug_barrier()
        if not RESET_AFTER:
            for start in range(0, UNITS, COLUMNS):
                column = start + tl.arange(0, COLUMNS)
                inside = alive & (column < UNITS)[None, :]
                at = row[:, None] * UNITS + column[None, :]
                d_reset = add_product(
                    tl.zeros((ROWS, COLUMNS), tl.float32), d_n,
                    kernel + 2 * UNITS * UNITS,
                    row, alive, column, UNITS, UNITS, DEPTH, PRECISION,
                )  # fmt: skip
                gate_r = load(r + at, inside)
                term_r = d_reset * load(previous + at, inside) * gate_r * (1 - gate_r)
                tl.store(d_r + at, tl.where(used, term_r, 0.0), mask=inside)
                rest = load(d + at, inside)
                rest += tl.where(used, d_reset * gate_r, 0.0)
                tl.store(d + at, rest, mask=inside)
            tl.debug_barrier()
        for start in range(0, UNITS, COLUMNS):
            column = start + tl.arange(0, COLUMNS)
            inside = alive & (column < UNITS)[None, :]
            at = row[:, None] * UNITS + column[None, :]
            d_h = add_product(
                tl.zeros((ROWS, COLUMNS), tl.float32), d_z, kernel,
                row, alive, column, UNITS, UNITS, DEPTH, PRECISION,
            )  # fmt: skip
            d_h = add_product(
                d_h, d_r, kernel + UNITS * UNITS,
                row, alive, column, UNITS, UNITS, DEPTH, PRECISION,
            )  # fmt: skip
            if RESET_AFTER:
                d_h = add_product(
                    d_h, d_recurrent_n, kernel + 2 * UNITS * UNITS,
                    row, alive, column, UNITS, UNITS, DEPTH, PRECISION,
                )  # fmt: skip
            d_h = load(d + at, inside) + tl.where(used, d_h, 0.0)
            tl.store(d + at, d_h, mask=inside)
        tl.debug_barrier()
        d_states -= batch * UNITS
        previous -= batch * UNITS
        z -= batch * UNITS
        r -= batch * UNITS
        n -= batch * UNITS
        d_z -= batch * UNITS
        d_r -= batch * UNITS
        d_n -= batch * UNITS
        if RESET_AFTER:
            recurrent_n -= batch * UNITS
            d_recurrent_n -= batch * UNITS
        if MASKED:
            mask -= batch
