"""Credentials: the list, keeping, renaming, replacing, trying out and deleting them."""

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from accounts import credential_access, credentials
from accounts.models import Credential, Provider
from personalq.lib.errors import AppError, InvalidInput
from personalq.lib.translation import app_error_from
from realtime.forms.credentials import CredentialForm
from realtime.views.answers import Limit, lead_back, limit_person, posted, show_form
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import NeighbourQuery, NewCredentialQuery, NothingAsked

PAGE_SIZE: Final = 24
WRITE_LIMIT: Final = Limit(group="credential-change", rate="PERSONALQ_RATE_CREDENTIAL_CHANGE")
TEST_LIMIT: Final = Limit(group="credential-test", rate="PERSONALQ_RATE_CREDENTIAL_TEST")
DESCRIPTIONS: Final = {
    Provider.ANTHROPIC: "For agents that work with Claude.",
    Provider.OPENAI: "For agents that work with OpenAI or with a server that speaks its language.",
    Provider.HTTP: "Headers that an agent sends along, such as Authorization.",
    Provider.RUNNER: "The secret that a coding runner asks for.",
    Provider.COMMAND: "A key that a command gets to see while it runs.",
    Provider.ELEVENLABS: "For Telegram bots that listen and speak; agents do not get it.",
}


@page("GET")
def show_list(request: HttpRequest) -> HttpResponse:
    """A page of the user's credentials."""
    wanted = NeighbourQuery.read(request)
    own = credential_access.credentials_of(person(request))
    rows = credential_access.with_uses(own)
    found = page_of(rows, among=own, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after"))
    shown = [_facts_of(each) for each in found.rows]
    return render(request, "pages/credential_list.html", {"section": "credentials", "page": found, "shown": shown})


@sensitive_post_parameters("secret")
@page("GET", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """First what it opens, then the form for it."""
    provider = NewCredentialQuery.read(request).get("provider")
    if provider is None:
        kinds = [{"value": each.value, "label": each.label, "words": DESCRIPTIONS[each]} for each in Provider]
        return render(request, "pages/credential_kinds.html", {"section": "credentials", "kinds": kinds})
    return _answer(request, CredentialForm(provider, posted(request), is_new=True))


@sensitive_post_parameters("secret")
@page("GET", "POST")
def edit(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """What is known of a credential and, for its owner, the form that changes it."""
    NothingAsked.read(request)
    deed: credential_access.Deed = "change" if request.method == "POST" else "view"
    credential = credential_access.credential_for(person(request), uuid, deed)
    form = CredentialForm(credential.provider, posted(request), is_new=False, initial={"name": credential.name})
    return _answer(request, form, credential)


@page("GET", "POST")
def delete(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks whether that is meant, then deletes."""
    NothingAsked.read(request)
    credential = credential_access.credential_for(person(request), uuid, "change")
    refusal = _delete(request, credential) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, f"The credential {credential.name} is deleted.")
        return redirect("credential-list")
    context = {"section": "credentials", **_facts_of(credential), "refusal": refusal}
    return show_form(request, "pages/credential_delete.html", context, refusal=refusal)


@page("POST")
def try_out(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Make the cheap real call; the page that follows shows how it went."""
    user = person(request)
    limit_person(request, TEST_LIMIT)
    credential = credential_access.credential_for(user, uuid, "change")
    try:
        tried = credentials.try_out(actor=user, credential=credential)
    except (credentials.NotTestable, credentials.CredentialUnreadable) as refusal:
        messages.error(request, f"{credential.name}: {refusal.title} {refusal.detail}")
    else:
        words = "works." if tried.last_test_ok else "does not work; the reason stands beside it."
        (messages.success if tried.last_test_ok else messages.error)(request, f"The key {tried.name} {words}")
    return redirect(lead_back(request, list_route="credential-list", route="credential", uuid=uuid))


def _delete(request: HttpRequest, credential: Credential) -> AppError | None:
    try:
        limit_person(request, WRITE_LIMIT)
        credentials.delete(actor=person(request), credential=credential)
    except AppError as refusal:
        return refusal
    return None


def _answer(request: HttpRequest, form: CredentialForm, credential: Credential | None = None) -> HttpResponse:
    """The form as it is or, once it is sent and good, the credential kept or changed."""
    refusal = _save(request, form, credential) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, f"The credential {form.cleaned_data['name']} is saved.")
        return redirect("credential-list")
    context = {"section": "credentials", "form": form, "provider": Provider(form.provider).label}
    if credential is None:
        return show_form(request, "pages/credential_new.html", context, refusal=refusal)
    may_change = credential_access.may(person(request), credential, "change")
    context |= {**_facts_of(credential), "may_change": may_change}
    return show_form(request, "pages/credential.html", context, refusal=refusal)


@sensitive_variables()
def _save(request: HttpRequest, form: CredentialForm, credential: Credential | None) -> AppError | None:
    user = person(request)
    try:
        limit_person(request, WRITE_LIMIT)
        if not form.is_valid():
            return InvalidInput()
        if credential is None:
            credentials.create(actor=user, provider=form.provider, **form.changes)
        else:
            credentials.change(actor=user, credential=credential, **form.changes)
    except (AppError, ValidationError) as error:
        refusal = app_error_from(error) or AppError()
        form.take(refusal)
        return refusal
    return None


def _facts_of(credential: Credential) -> dict[str, Any]:
    return {
        "credential": credential,
        "used_by": credential_access.uses_of(credential),
        "is_testable": credentials.is_testable(credential),
    }
