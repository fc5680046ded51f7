"""Online temporal memory, written from the rules alone and in another style than `htmrun`.

Fixed arrays of slots instead of dictionaries, SplitMix64 in Python integers, and no queue:
with a commit after every sample each column may learn at once, in ascending order.
"""

from __future__ import annotations

import numpy as np

from htmrun.backends.parameters import TemporalMemoryParameters

_MASK = (1 << 64) - 1


def splitmix(z: int) -> int:
    z = (z + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


class OnlineTemporalMemory:
    """One sample at a time: `step` returns (active, winners, predicted columns)."""

    def __init__(self, p: TemporalMemoryParameters, columns: int, seed: int, room: int = 3000):
        self.p, self.k = p, p.cells_per_column
        self.n = columns * self.k
        fixed = {x: round(getattr(p, x) * 10000) for x in ("increment", "decrement", "punishment")}
        self.inc, self.dec, self.pun = fixed.values()
        self.thr, self.init = round(p.connected * 10000), round(p.initial_permanence * 10000)
        self.cell_key, self.grow_key = (splitmix(splitmix(seed) ^ purpose) for purpose in (3, 4))
        self.pre = np.full((room, p.segment_size), self.n)
        self.perm = np.zeros((room, p.segment_size), np.int64)
        self.owner = np.full(room, -1)
        self.used = np.full(room, -1)
        self.stack: list[int] = []
        self.evicted: set[int] = set()
        self.top = self.t = 0
        self.active = np.zeros(self.n + 1, bool)
        self.winner = np.zeros(self.n + 1, bool)

    def step(self, columns: np.ndarray, reset: bool) -> tuple[list[int], list[int], list[int]]:
        if reset:
            self.active[:] = self.winner[:] = False
        p, pre, prew = self.p, self.active.copy(), self.winner.copy()
        on = pre[self.pre]
        potential = on.sum(1)
        is_active = (on & (self.perm >= self.thr)).sum(1) >= p.activation_threshold
        is_matching = potential >= p.matching_threshold
        segment_column = np.where(self.owner < 0, -1, self.owner // self.k)
        count = np.bincount(self.owner[self.owner >= 0], minlength=self.n)
        self.active[:] = self.winner[:] = False
        owner, self.evicted = self.owner.copy(), set()
        if prew.any() and p.segments_per_column is not None:
            unmatched = set(columns.tolist()) - set(segment_column[is_matching].tolist())
            if p.segments_per_column < self.k * p.segments_per_cell:  # else cells give up theirs
                self.keep_limit(p.segments_per_column * self.n // self.k, len(unmatched))
        for c in sorted({*columns.tolist(), *segment_column[is_matching].tolist()}):
            mine = segment_column == c
            if c not in columns:
                if self.pun > 0:
                    for s in np.flatnonzero(mine & is_matching):
                        self.punish(s, pre)
            elif (mine & is_active).any():
                for s in np.flatnonzero(mine & is_active):
                    self.active[owner[s]] = self.winner[owner[s]] = True
                    self.reinforce(s, pre, prew)
            else:
                self.active[c * self.k : (c + 1) * self.k] = True
                matching = np.flatnonzero(mine & is_matching)
                if len(matching):
                    s = matching[np.argmax(potential[matching])]
                    self.winner[owner[s]] = True
                    self.reinforce(s, pre, prew)
                else:
                    word = splitmix(self.cell_key ^ self.t)
                    cells = range(c * self.k, (c + 1) * self.k)
                    w = min(cells, key=lambda x: (count[x], splitmix(word ^ x), x))
                    self.winner[w] = True
                    if prew.any():
                        self.create(w, pre, prew)
        self.t += 1
        predicted = np.unique(segment_column[is_active]).tolist()
        return self.on(self.active), self.on(self.winner), predicted

    def keep_limit(self, limit: int, creates: int) -> None:
        """Before a sample's events: the oldest of all go, at least a sixty-fourth of the limit."""
        live = np.flatnonzero(self.owner >= 0)
        too_many = len(live) + creates - limit
        if too_many > 0:
            oldest = live[np.lexsort((live, self.used[live]))[: max(too_many, limit // 64)]]
            for s in sorted(oldest.tolist()):
                self.pre[s], self.perm[s], self.owner[s] = self.n, 0, -1
                self.stack.append(s)
                self.evicted.add(s)

    def on(self, flags: np.ndarray) -> list[int]:
        return np.flatnonzero(flags).tolist()

    def reinforce(self, s: int, pre: np.ndarray, prew: np.ndarray) -> None:
        if s in self.evicted:  # a new segment may have its number already
            return
        real = self.pre[s] < self.n
        change = np.where(pre[self.pre[s]], self.inc, -self.dec)
        self.perm[s][real] = np.minimum(self.perm[s] + change, 10000)[real]
        self.used[s] = self.t
        self.clean(s)
        self.grow(s, self.p.new_synapses - int(pre[self.pre[s]].sum()), prew)
        self.drop_if_empty(s)

    def punish(self, s: int, pre: np.ndarray) -> None:
        if s in self.evicted:  # a new segment may have its number already
            return
        self.perm[s] -= self.pun * pre[self.pre[s]]
        self.clean(s)
        self.drop_if_empty(s)

    def clean(self, s: int) -> None:
        self.pre[s][self.perm[s] <= 0] = self.n
        self.perm[s][self.pre[s] == self.n] = 0

    def drop_if_empty(self, s: int) -> None:
        if (self.pre[s] == self.n).all():
            self.owner[s] = -1
            self.stack.append(s)

    def create(self, cell: int, pre: np.ndarray, prew: np.ndarray) -> None:
        own = np.flatnonzero(self.owner == cell)
        if len(own) == self.p.segments_per_cell:
            oldest = own[np.argmin(self.used[own])]
            self.pre[oldest], self.perm[oldest], self.owner[oldest] = self.n, 0, -1
            self.stack.append(oldest)
        if not self.stack:
            self.stack.append(self.top)
            self.top += 1
        s = self.stack.pop()
        self.owner[s], self.used[s] = cell, self.t
        self.grow(s, self.p.new_synapses, prew)

    def grow(self, s: int, n: int, prew: np.ndarray) -> None:
        word = splitmix(splitmix(self.grow_key ^ self.t) ^ int(s))
        candidates = [c for c in self.on(prew) if c not in self.pre[s]]
        candidates.sort(key=lambda c: (splitmix(word ^ c) >> 32, c))
        wanted = candidates[: max(n, 0)]
        missing = len(wanted) - int((self.pre[s] == self.n).sum())
        strength = np.where(prew[self.pre[s]] | (self.pre[s] == self.n), 99999, self.perm[s])
        weakest = np.argsort(strength, kind="stable")[: max(missing, 0)]
        self.pre[s][weakest[strength[weakest] < 99999]] = self.n
        free = np.flatnonzero(self.pre[s] == self.n)
        for slot, c in zip(free, wanted, strict=False):
            self.pre[s][slot], self.perm[s][slot] = c, self.init
