"""The form of the sign-in page."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest

from accounts.sign_in import MAX_PASSWORD_CHARACTERS, MAX_USERNAME_CHARACTERS, user_by_password
from personalq.lib.errors import InvalidCredentials


class SignInForm(AuthenticationForm):
    """User name and password, checked by `accounts.sign_in`.

    Validating it raises RateLimited and Unavailable past the form: they are no faults of a field.
    """

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.attempt = request
        # Django sets only the input's attribute, which a program need not heed.
        self.fields["username"].validators.append(MaxLengthValidator(MAX_USERNAME_CHARACTERS))
        self.fields["password"].validators.append(MaxLengthValidator(MAX_PASSWORD_CHARACTERS))

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            self.user_cache = self._user()
        return self.cleaned_data

    def _user(self) -> Any:
        try:
            return user_by_password(self.attempt, **self.cleaned_data)
        except InvalidCredentials as error:
            raise ValidationError(f"{error.title} {error.advice}", code=error.code) from None
