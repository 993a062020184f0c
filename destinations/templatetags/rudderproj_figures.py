"""Template tags for numbers, times and states."""

from django import template
from django.utils.safestring import SafeString

from destinations import figures
from rudderproj import admin_labels

register = template.Library()

register.filter("short_age", figures.age)
register.filter("short_count", figures.count)


@register.simple_tag
def label(word: str, tone: str = "") -> SafeString:
    """A state as a coloured word."""
    return admin_labels.label(word, tone)


@register.simple_tag
def total(*numbers: int) -> str:
    """The sum, short."""
    return figures.count(sum(numbers))
