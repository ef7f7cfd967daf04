"""The form by which people choose what they are told by e-mail."""

from typing import Any, Final

from django import forms

from realtime.forms.fields import AnswerableForm
from webhooks.models.notice import MOST_BATCH_MINUTES, NoticeKind
from webhooks.notices.choices import WISHES

_LABELS: Final = {
    NoticeKind.FINISHED: "A task is finished",
    NoticeKind.FAILED: "A task failed",
    NoticeKind.APPROVAL: "A task waits for my approval",
    NoticeKind.BUDGET: "A budget is nearly or fully used",
    NoticeKind.ENDPOINT: "A webhook endpoint was switched off",
}


class NoticeForm(AnswerableForm):
    """One box for each kind, and for how long things are gathered."""

    batch_minutes = forms.IntegerField(
        label="Gather for (minutes)",
        min_value=1,
        max_value=MOST_BATCH_MINUTES,
        help_text="What happens within this time comes in one e-mail.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for kind, label in _LABELS.items():
            self.fields[f"wants_{kind}"] = forms.BooleanField(label=label, required=False)
        self.order_fields([*WISHES, "batch_minutes"])
