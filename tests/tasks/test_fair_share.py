"""Whose task is next."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tasks.fair_share import Candidate, Lane, choose

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def lane(owner: int, agent: int = 0, **facts: Any) -> Lane:
    return Lane(
        **{
            "owner_id": owner,
            "agent_id": agent or owner,
            "owner_room": 100,
            "agent_room": 100,
            "running_of_owner": 0,
            "served_at": None,
            **facts,
        }
    )


def task(
    number: int, owner: int, agent: int = 0, *, order: int = 0, key: str = "", is_handed_out: bool = False
) -> Candidate:
    return Candidate(
        task_id=number,
        owner_id=owner,
        agent_id=agent or owner,
        order=order,
        concurrency_key=key,
        is_handed_out=is_handed_out,
    )


def test_lowest_order_goes_first_then_the_oldest() -> None:
    tasks = [task(1, 1, order=5), task(3, 1, order=-1), task(2, 1, order=-1)]
    assert choose([lane(1)], tasks, 10) == [2, 3, 1]


def test_order_ranks_over_all_agents_of_a_user() -> None:
    lanes = [lane(1, 1), lane(1, 2)]
    assert choose(lanes, [task(1, 1, 1, order=2), task(2, 1, 2, order=1)], 10) == [2, 1]


def test_of_what_the_task_operator_handed_out_one_starts() -> None:
    tasks = [task(1, 1, is_handed_out=True), task(2, 2, is_handed_out=True), task(3, 1), task(4, 2)]
    assert choose([lane(1), lane(2)], tasks, 10) == [1, 4, 3]


def test_users_take_turns() -> None:
    tasks = [task(number, 1) for number in range(1, 5)] + [task(9, 2)]
    assert choose([lane(1), lane(2)], tasks, 3) == [1, 9, 2]


def test_order_of_one_user_does_not_rank_before_another_user() -> None:
    tasks = [task(1, 1, order=-1000), task(2, 1, order=-1000), task(9, 2, order=1000)]
    assert choose([lane(1, served_at=NOW), lane(2, served_at=NOW - timedelta(seconds=1))], tasks, 1) == [9]


def test_user_with_fewest_running_goes_first() -> None:
    lanes = [lane(1, running_of_owner=3, served_at=NOW - timedelta(days=1)), lane(2, running_of_owner=2, served_at=NOW)]
    assert choose(lanes, [task(1, 1), task(2, 1), task(8, 2), task(9, 2)], 3) == [8, 1, 9]


def test_among_equals_the_one_served_longest_ago_goes_first() -> None:
    lanes = [lane(1, served_at=NOW), lane(2, served_at=NOW - timedelta(seconds=1)), lane(3)]
    assert choose(lanes, [task(1, 1), task(2, 2), task(3, 3)], 3) == [3, 2, 1]


def test_agent_takes_no_more_than_its_room() -> None:
    lanes = [lane(1, 1, agent_room=1), lane(1, 2)]
    assert choose(lanes, [task(1, 1, 1), task(2, 1, 1), task(3, 1, 2)], 10) == [1, 3]


def test_user_takes_no_more_than_the_room() -> None:
    lanes = [lane(1, 1, owner_room=2), lane(1, 2, owner_room=2)]
    assert choose(lanes, [task(1, 1, 1), task(2, 1, 2), task(3, 1, 2)], 10) == [1, 2]


def test_key_is_taken_once() -> None:
    tasks = [task(1, 1, key="a"), task(2, 1, key="a"), task(3, 1, key="b"), task(4, 2, key="a")]
    assert sorted(choose([lane(1), lane(2)], tasks, 10)) == [1, 3, 4]


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(-2, 2), st.sampled_from(["", "a", "b"])),
        max_size=30,
    ),
    st.integers(0, 12),
    st.integers(1, 5),
)
def test_no_limit_is_ever_passed(made: list[tuple[int, int, int, str]], limit: int, room: int) -> None:
    tasks = [task(number, o, o * 10 + a, order=order, key=key) for number, (o, a, order, key) in enumerate(made)]
    lanes = [lane(o, o * 10 + a, owner_room=room, agent_room=2) for o in range(1, 5) for a in range(1, 4)]
    chosen = [tasks[number] for number in choose(lanes, tasks, limit)]
    assert len(chosen) == len({one.task_id for one in chosen}) <= limit
    for owner in {one.owner_id for one in chosen}:
        assert sum(1 for one in chosen if one.owner_id == owner) <= room
    for agent in {one.agent_id for one in chosen}:
        assert sum(1 for one in chosen if one.agent_id == agent) <= 2
    keyed = [(one.owner_id, one.concurrency_key) for one in chosen if one.concurrency_key]
    assert len(keyed) == len(set(keyed))
