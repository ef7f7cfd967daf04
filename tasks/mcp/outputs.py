"""The text that a task's attempts have put out, read from its end."""

from typing import Final

from django.db.models.fields.json import KT
from django.db.models.functions import Right

from tasks import events
from tasks.models import TaskEvent

PIECES_AT_ONCE: Final = 200
MOST_PIECES: Final = 4_000


def end_of_output(
    task_id: int, *, longest: int, after: int, up_to: int, attempt: int | None = None
) -> tuple[str, bool]:
    """At most so many characters from the end, of what was put out between two events; and whether that is not all.

    `up_to` must come from `feed.horizon()`, read before.
    """
    rows = TaskEvent.objects.filter(task_id=task_id, kind=events.OUTPUT, id__gt=after, id__lte=up_to)
    if attempt is not None:
        rows = rows.filter(attempt=attempt)
    # One character more than is wanted tells whether there is more.
    texts = rows.order_by("-id").values_list(Right(KT("data__text"), longest + 1), flat=True)
    pieces: list[str] = []
    length = 0
    for start in range(0, MOST_PIECES, PIECES_AT_ONCE):
        found = list(texts[start : start + PIECES_AT_ONCE])
        pieces.extend(found)
        length += sum(map(len, found))
        if length > longest or len(found) < PIECES_AT_ONCE:
            return "".join(reversed(pieces))[-longest:], length > longest
    return "".join(reversed(pieces))[-longest:], True
