"""Personal tokens: the list, making one, which is shown once, and revoking it."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts import scopes
from accounts.models import PersonalToken
from accounts.models.personal_token import LIVE
from accounts.tokens import personal_tokens, token_access
from personalq.lib.errors import AppError, InvalidInput
from personalq.lib.translation import app_error_from
from realtime.forms.tokens import TokenForm
from realtime.views.answers import Limit, limit_person, posted, show_form
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import NeighbourQuery, NothingAsked

PAGE_SIZE: Final = 24
SOON: Final = timedelta(days=7)
WRITE_LIMIT: Final = Limit(group="token-change", rate="PERSONALQ_RATE_TOKEN_CHANGE")


@page("GET")
def show_list(request: HttpRequest) -> HttpResponse:
    """A page of the user's tokens."""
    wanted = NeighbourQuery.read(request)
    own = token_access.tokens_of(person(request))
    found = page_of(own, among=own, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after"))
    shown = [_facts_of(each) for each in found.rows]
    return render(request, "pages/token_list.html", {"section": "tokens", "page": found, "shown": shown})


@page("GET", "POST")
@sensitive_variables()
def new(request: HttpRequest) -> HttpResponse:
    """The form or, once it is sent and good, the token: this one time, and without an address to come back to."""
    NothingAsked.read(request)
    form = TokenForm(posted(request))
    made = _make(request, form) if request.method == "POST" else None
    if isinstance(made, personal_tokens.NewToken):
        context = {"section": "tokens", "text": made.text, **_facts_of(made.token)}
        return render(request, "pages/token_made.html", context)
    return show_form(request, "pages/token_new.html", {"section": "tokens", "form": form}, refusal=made)


@page("GET")
def show(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """What is known of a token, to its owner and to operators."""
    NothingAsked.read(request)
    user = person(request)
    token = token_access.token_for(user, uuid)
    may_revoke = token.user_id == user.pk or token_access.is_operator_for(user, "change")
    sentences = [(each, scopes.SENTENCES[each]) for each in token.scopes]
    context = {"section": "tokens", "may_revoke": may_revoke, "sentences": sentences, **_facts_of(token)}
    return render(request, "pages/token.html", context)


@page("GET", "POST")
def revoke(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks whether that is meant, then revokes."""
    NothingAsked.read(request)
    user = person(request)
    token = token_access.token_for(user, uuid, "change")
    if request.method != "POST":
        return render(request, "pages/token_revoke.html", {"section": "tokens", **_facts_of(token)})
    limit_person(request, WRITE_LIMIT)
    personal_tokens.revoke(actor=user, token=token)
    messages.success(request, f"The token {token.name} is revoked.")
    return redirect("token-list")


@sensitive_variables()
def _make(request: HttpRequest, form: TokenForm) -> personal_tokens.NewToken | AppError:
    try:
        limit_person(request, WRITE_LIMIT)
        if not form.is_valid():
            return InvalidInput()
        return personal_tokens.create(actor=person(request), **form.cleaned_data)
    except (AppError, ValidationError) as error:
        refusal = app_error_from(error) or AppError()
        form.take(refusal)
        return refusal


def _facts_of(token: PersonalToken) -> dict[str, Any]:
    is_live = token.state == LIVE
    return {
        "token": token,
        "is_live": is_live,
        "ends_soon": is_live and token.expires_at < timezone.now() + SOON,
    }
