"""Which disturbance comes when: decided by a seed, before anything runs."""

import random
from typing import Final

# How often each is chosen among its own, and that each is chosen at least once.
KILLS: Final = {
    "kill worker": 6,
    "kill second worker": 6,
    "kill web": 3,
    "kill beat": 2,
    "kill valkey": 2,
    "kill postgres": 2,
}
OTHERS: Final = {
    "restart valkey": 1,
    "restart postgres": 1,
    "flush valkey": 2,
    "cut database connections": 2,
    "cut valkey connections": 2,
    "fill the broker": 1,
    "expire a lease": 3,
    "freeze a worker": 1,
}
OTHERS_PER_KILL: Final = 0.4
GAP_SPREAD: Final = (0.3, 1.7)


def make_schedule(seed: int, kills: int, gap_seconds: float) -> list[tuple[float, str]]:
    """Pauses in seconds, each with the disturbance that follows it: `kills` kills and what belongs to them."""
    chance = random.Random(f"{seed} schedule")
    chosen = _choose(chance, KILLS, kills) + _choose(chance, OTHERS, max(len(OTHERS), round(kills * OTHERS_PER_KILL)))
    chance.shuffle(chosen)
    return [(gap_seconds * chance.uniform(*GAP_SPREAD), name) for name in chosen]


def _choose(chance: random.Random, weights: dict[str, int], count: int) -> list[str]:
    each = list(weights)[:count]
    return each + chance.choices(list(weights), list(weights.values()), k=count - len(each))
