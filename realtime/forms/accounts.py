"""The forms of one's own account, of resets and of invitations."""

from typing import Any, Final

from django import forms
from django.views.decorators.debug import sensitive_variables

from accounts import passwords
from accounts.mails import EMAIL_CHARACTERS
from accounts.one_time_codes import LONGEST_TYPED
from accounts.passwords.rules import LONGEST, SHORTEST
from accounts.sign_in import MAX_USERNAME_CHARACTERS
from realtime.forms.fields import AnswerableForm, PlainCharField, SingleLineField

GOOD_PASSWORD: Final = (
    f"{SHORTEST} characters or more; four or five words that have nothing to do with each other are good. Common "
    "passwords, your name and the name of this product are refused."
)
_MISMATCH: Final = "The two are not the same."


class PasswordField(PlainCharField):
    """A password, taken as it is and never shown again."""

    def __init__(self, *, is_new: bool, **options: Any) -> None:
        autocomplete = "new-password" if is_new else "current-password"
        widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
        super().__init__(max_length=LONGEST, widget=widget, **options)


class CodeField(PlainCharField):
    """A one-time code. A script takes it from the link, or somebody types it."""

    def __init__(self, **options: Any) -> None:
        attributes = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        super().__init__(max_length=LONGEST_TYPED, widget=forms.TextInput(attrs=attributes), **options)


class TwiceForm(AnswerableForm):
    """A form with a new password, which is typed twice."""

    new_name = "password"

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        found = super().clean() or self.cleaned_data
        again = found.pop("again", None)
        if self.new_name in found and again is not None and found[self.new_name] != again:
            self.add_error("again", _MISMATCH)
            # Else they would come to light one after the other, as the rules are asked about equal ones only.
            for fault in passwords.faults_of(found[self.new_name]):
                self.add_error(self.new_name, fault)
        return found


class PasswordForm(TwiceForm):
    """One's own password."""

    new_name = "new"

    current = PasswordField(label="Present password", is_new=False)
    new = PasswordField(label="New password", is_new=True, help_text=GOOD_PASSWORD)
    again = PasswordField(label="New password, once more", is_new=True)
    ends_tokens = forms.BooleanField(
        label="Revoke my personal tokens as well",
        required=False,
        initial=True,
        help_text="Leave it ticked if somebody else may have been in the account: they could have made some.",
    )


class ResetAskForm(AnswerableForm):
    """Who wants a new password."""

    wanted = SingleLineField(
        label="User name or e-mail address",
        max_length=EMAIL_CHARACTERS,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )


class ResetForm(TwiceForm):
    """A new password, by a code."""

    code = CodeField(help_text="From the link, or from the e-mail.")
    password = PasswordField(label="New password", is_new=True, help_text=GOOD_PASSWORD)
    again = PasswordField(label="New password, once more", is_new=True)
    ends_tokens = forms.BooleanField(label="Revoke my personal tokens as well", required=False, initial=True)


class InvitationForm(AnswerableForm):
    """Whom to invite. What only superusers may say is taken away from others."""

    email = SingleLineField(label="E-mail address", max_length=EMAIL_CHARACTERS, widget=forms.EmailInput())
    username = SingleLineField(
        label="User name",
        max_length=MAX_USERNAME_CHARACTERS,
        required=False,
        help_text="Leave it empty to let the invited person choose one.",
    )
    is_staff = forms.BooleanField(
        label="Make this an operator",
        required=False,
        help_text="Operators get into the admin; what they may do there you say by permissions.",
    )

    def __init__(self, *arguments: Any, may_make_operators: bool, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if not may_make_operators:
            del self.fields["is_staff"]


class AcceptForm(TwiceForm):
    """An account, by an invitation."""

    code = CodeField(help_text="From the link, or from the e-mail.")
    username = SingleLineField(
        label="User name",
        max_length=MAX_USERNAME_CHARACTERS,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
        help_text="Letters, digits and @ . + - _",
    )
    password = PasswordField(label="Password", is_new=True, help_text=GOOD_PASSWORD)
    again = PasswordField(label="Password, once more", is_new=True)


class EmailForm(AnswerableForm):
    """Another address, and the password."""

    email = SingleLineField(
        label="New e-mail address",
        max_length=EMAIL_CHARACTERS,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    password = PasswordField(label="Your password", is_new=False)


class CodeForm(AnswerableForm):
    """A code and nothing else."""

    code = CodeField(help_text="From the link, or from the e-mail.")
