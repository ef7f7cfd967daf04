"""What the pages share at which codes and passwords are taken, some of them from people who are not signed in."""

from collections.abc import Callable
from functools import wraps
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_variables

from accounts.pages.access import waiting_time
from personalq.lib.errors import AppError, InvalidInput, MethodNotAllowed, RateLimited, Unavailable
from realtime.forms.fields import AnswerableForm

METHODS: Final = ("GET", "HEAD", "POST")
View = Callable[[HttpRequest], HttpResponse]


def open_page(view: View) -> View:
    """Let everybody in, by GET and POST."""

    @wraps(view)
    def enter(request: HttpRequest) -> HttpResponse:
        if request.method not in METHODS:
            raise MethodNotAllowed(headers={"Allow": ", ".join(METHODS)})
        return view(request)

    return enter


@sensitive_variables()
def answer_to(form: AnswerableForm, work: Callable[[], None]) -> AppError | None:
    """Do what a good form asks for; what was refused is shown in the form and returned."""
    if not form.is_valid():
        return InvalidInput()
    try:
        work()
    except AppError as refusal:
        if isinstance(refusal, (RateLimited, Unavailable)) and refusal.detail == type(refusal).advice:
            # People see no headers.
            form.add_error(None, f"{refusal.title} Try again in {waiting_time(refusal.retry_after_seconds)}.")
        else:
            form.take(refusal)
        return refusal
    return None
