"""Users and groups in the admin, with the pages of django-unfold. Imported by rudderproj.urls for its effect."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as PlainGroupAdmin
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.contrib.auth.models import Group, User
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

if TYPE_CHECKING:

    class Styled:
        """unfold's ModelAdmin, which carries no types."""
else:
    from unfold.admin import ModelAdmin as Styled

admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(PlainUserAdmin, Styled):  # type: ignore[type-arg]
    """People who may log in here."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(PlainGroupAdmin, Styled):
    """Sets of permissions."""
