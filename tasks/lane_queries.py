"""The statements by which a claim finds its tasks. They read by two partial indexes of ready tasks: `tasks_lanes` (no
time given) and `tasks_timed` (a time before which they must not run).
"""

from typing import Final

_UNTIMED: Final = "status = 0 AND not_before_at IS NULL"
_TIMED: Final = "status = 0 AND not_before_at IS NOT NULL"


def _each_queue(name: str, rows: str) -> str:
    """Jumps from one queue to the next by the index, so it reads one row a queue and not one a task."""
    return f"""
    {name} AS (
        (SELECT queue_id FROM tasks WHERE {rows} ORDER BY queue_id LIMIT 1)
        UNION ALL
        SELECT following.queue_id FROM {name} CROSS JOIN LATERAL (
            SELECT queue_id FROM tasks WHERE {rows} AND queue_id > {name}.queue_id ORDER BY queue_id LIMIT 1
        ) AS following
    )"""


def _each_lane(name: str, rows: str) -> str:
    """Jumps from one pair of owner and agent to the next."""
    return f"""
    {name} AS (
        (
            SELECT owner_id, agent_id FROM tasks
            WHERE {rows} AND queue_id = %(queue)s AND owner_id IS NOT NULL AND agent_id IS NOT NULL
            ORDER BY owner_id, agent_id LIMIT 1
        )
        UNION ALL
        SELECT following.owner_id, following.agent_id FROM {name} CROSS JOIN LATERAL (
            SELECT owner_id, agent_id FROM tasks
            WHERE {rows} AND queue_id = %(queue)s AND (owner_id, agent_id) > ({name}.owner_id, {name}.agent_id)
            ORDER BY owner_id, agent_id LIMIT 1
        ) AS following
    )"""


QUEUES: Final = f"""
WITH RECURSIVE {_each_queue("untimed", _UNTIMED)}, {_each_queue("timed", _TIMED)}
SELECT queue_id FROM untimed UNION SELECT queue_id FROM timed ORDER BY queue_id
"""

LANES: Final = f"""
WITH RECURSIVE {_each_lane("untimed", _UNTIMED)}, {_each_lane("timed", _TIMED)},
    lanes AS (SELECT * FROM untimed UNION SELECT * FROM timed)
"""

ONE_LANE: Final = "WITH lanes AS (SELECT %(owner)s::bigint AS owner_id, %(agent)s::bigint AS agent_id)"

LIMITS: Final = """
SELECT lanes.owner_id, lanes.agent_id, agents.concurrency_limit,
    coalesce(user_limits.running_limit, %(running_limit)s), queue_turns.at,
    CASE
        WHEN NOT users.is_active THEN 'owner_inactive'
        WHEN agents.is_paused THEN 'agent_paused'
        WHEN agents.held_until_at > %(now)s THEN 'agent_held'
    END
FROM lanes
JOIN agents ON agents.id = lanes.agent_id
JOIN users ON users.id = lanes.owner_id
LEFT JOIN user_limits ON user_limits.user_id = lanes.owner_id
LEFT JOIN queue_turns ON queue_turns.queue_id = %(queue)s AND queue_turns.owner_id = lanes.owner_id
"""

# Whose lanes a claim may look at: our own workers' those of agents that run here, an outside worker's its owner's.
OF_OWN_WORKERS: Final = "WHERE agents.kind <> 'external'"
OF_OUTSIDE_WORKER: Final = """
WHERE agents.kind = 'external' AND lanes.owner_id = %(taker)s
    AND (%(agent)s::bigint IS NULL OR lanes.agent_id = %(agent)s)
"""

# The queues in which tasks wait for an outside worker of one owner, that with the next task first.
OUTSIDE_QUEUES: Final = f"""
SELECT queues.id FROM unnest(%(queues)s::bigint[]) AS queues (id)
CROSS JOIN unnest(%(agents)s::bigint[]) AS agents (id)
CROSS JOIN LATERAL (
    (
        SELECT "order", id FROM tasks
        WHERE {_UNTIMED} AND queue_id = queues.id AND owner_id = %(owner)s AND agent_id = agents.id
        ORDER BY "order", id LIMIT 1
    )
    UNION ALL
    (
        SELECT "order", id FROM tasks
        WHERE {_TIMED} AND not_before_at <= now()
            AND queue_id = queues.id AND owner_id = %(owner)s AND agent_id = agents.id
        ORDER BY not_before_at, id LIMIT 1
    )
) AS head
GROUP BY queues.id ORDER BY min(head."order"), min(head.id)
"""

RUNNING: Final = """
SELECT queue_id, owner_id, agent_id, count(*), count(handed_out_at) FROM tasks WHERE status = 4 GROUP BY 1, 2, 3
"""

# Of those with a time the ones that were due first are looked at: among them `order` ranks as far as a claim looks.
# A row that SQL made ready (recorded_status differs) waits for the sweep, which writes its missing event first.
_FRONT: Final = """
    (
        SELECT id, "order", concurrency_key, handed_out_at FROM (
            SELECT id, "order", concurrency_key, owner_id, recorded_status, handed_out_at FROM tasks
            WHERE {rows} AND queue_id = %(queue)s AND owner_id = lane.owner_id AND agent_id = lane.agent_id
            ORDER BY {order} LIMIT %(looked_at)s
        ) AS front
        WHERE recorded_status = 0 AND (concurrency_key = '' OR NOT EXISTS (
            SELECT FROM tasks AS other
            WHERE other.status = 4 AND other.owner_id = front.owner_id AND other.concurrency_key <> ''
                AND other.concurrency_key = front.concurrency_key
        )) AND (handed_out_at IS NULL OR %(hands_out)s)
        ORDER BY "order", id LIMIT %(limit)s
    )"""

HEADS: Final = f"""
SELECT head.id, lane.owner_id, lane.agent_id, head."order", head.concurrency_key, head.handed_out_at IS NOT NULL
FROM unnest(%(owners)s::bigint[], %(agents)s::bigint[]) AS lane (owner_id, agent_id)
CROSS JOIN LATERAL (
    {_FRONT.format(rows=_UNTIMED, order='"order", id')}
    UNION ALL
    {_FRONT.format(rows=_TIMED + " AND not_before_at <= %(now)s", order="not_before_at, id")}
) AS head
"""
