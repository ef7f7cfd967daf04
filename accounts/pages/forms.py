"""The form of the sign-in page."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest

from accounts.second_factor.step import MOST_CODE_CHARACTERS
from accounts.sign_in import MAX_PASSWORD_CHARACTERS, MAX_USERNAME_CHARACTERS, user_by_password
from personalq.lib.errors import InvalidCredentials


class SignInForm(AuthenticationForm):
    """User name and password, checked by `accounts.sign_in`.

    Validating it raises RateLimited and Unavailable past the form: they are no faults of a field.
    """

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.attempt = request
        self.fields["username"].label = "User name"
        # Django sets only the input's attribute, which a program need not heed.
        self.fields["username"].validators.append(MaxLengthValidator(MAX_USERNAME_CHARACTERS))
        self.fields["password"].validators.append(MaxLengthValidator(MAX_PASSWORD_CHARACTERS))

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            self.user_cache = self._user()
        return self.cleaned_data

    def focus_password(self) -> None:
        """For who has typed the name already: it is most often the password that was wrong."""
        self.fields["username"].widget.attrs.pop("autofocus", None)
        self.fields["password"].widget.attrs["autofocus"] = True

    def _user(self) -> Any:
        try:
            return user_by_password(self.attempt, **self.cleaned_data)
        except InvalidCredentials as error:
            raise ValidationError(f"{error.title} {error.advice}", code=error.code) from None


class CodeForm(forms.Form):
    """A code of an app, or one on paper."""

    code = forms.CharField(
        label="Code",
        max_length=MOST_CODE_CHARACTERS,
        # No number field: codes begin with zeros, and recovery codes have letters.
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}),
    )


class PasswordForm(forms.Form):
    """The present password once more."""

    password = forms.CharField(
        label="Your password",
        max_length=MAX_PASSWORD_CHARACTERS,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class BothForm(PasswordForm):
    """The present password and a code."""

    code = forms.CharField(
        label="Code",
        max_length=MOST_CODE_CHARACTERS,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "spellcheck": "false"}),
        help_text="Of your app, or a recovery code.",
    )
