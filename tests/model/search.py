"""Every order of steps, breadth first: a trace is a shortest one."""

from collections.abc import Iterable
from typing import NamedTuple

from tests.model.canonical import canonical
from tests.model.protocol import FAULTS, steps
from tests.model.world import RULES, Broken, World, check, is_good, start


class Result(NamedTuple):
    states: int
    broken: str  # empty: it holds
    trace: list[str]


def search(
    faults: Iterable[str],
    *,
    budget: int,
    jobs: int = 1,
    executors: int = 2,
    kazoo: bool = False,
    without: Iterable[str] = (),
    most: int = 100_000,
) -> Result:
    """Look for a broken guarantee, then for a world from which no way leads to a clean end without further faults."""
    rules, kinds = RULES.difference(without), frozenset(faults)
    assert rules | set(without) == RULES
    assert kinds <= FAULTS.keys()
    first = canonical(start(jobs, executors, kazoo))
    number: dict[World, int] = {first: 0}
    worlds, parents, labels = [first], [-1], [""]
    before: list[list[int]] = [[]]  # ways back, without faults and late calls

    def trace(i: int, *more: str) -> list[str]:
        path = list(more)
        while i > 0:
            path.append(labels[i])
            i = parents[i]
        return path[::-1]

    i = 0
    doing = ""
    while i < len(worlds):
        try:
            for label, after, fault, late in steps(worlds[i], rules, kinds, budget):
                doing = label
                check(after)
                doing = ""
                world = canonical(after._replace(faults=after.faults + 1) if fault else after)
                k = number.setdefault(world, len(worlds))
                if k == len(worlds):
                    worlds.append(world)
                    parents.append(i)
                    labels.append(label)
                    before.append([])
                if not (fault or late):
                    before[k].append(i)
        except Broken as broken:
            return Result(len(worlds), str(broken), trace(i, doing or "the step that breaks it"))
        assert len(worlds) <= most, "larger than meant: choose fewer faults"
        i += 1
    good = [k for k, world in enumerate(worlds) if is_good(world)]
    reached = set(good)
    while good:
        for k in before[good.pop()]:
            if k not in reached:
                reached.add(k)
                good.append(k)
    stuck = next((k for k in range(len(worlds)) if k not in reached), None)
    return Result(len(worlds), "" if stuck is None else "no way to a clean end", trace(stuck) if stuck else [])
