"""The login form of the admin."""

from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from rudderproj.logins import throttle


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """Says when there were too many tries, instead of that the password is wrong."""

    def get_invalid_login_error(self) -> ValidationError:
        if throttle.was_refused(self.request):
            return ValidationError(throttle.REFUSED, code="too_many")
        error: ValidationError = super().get_invalid_login_error()
        return error
