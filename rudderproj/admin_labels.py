"""Words as HTML: a state in its colour, a long text cut short. Must import nothing of the admin: tags use it."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

TONES = {
    "good": frozenset({"ok", "closed", "delivered", "normal", "done", "enabled", "accepted", "running", "finished"}),
    "bad": frozenset({"held", "open", "aborted", "degraded", "refused", "rejected", "cancelled", "unsent", "retired"}),
    "warn": frozenset({"paused", "half_open", "failed", "retry", "waiting"}),
}


def label(word: str, tone: str = "") -> SafeString:
    """A state as a coloured word; its colour follows from the word when none is given (good, bad, warn)."""
    found = tone or next((name for name, words in TONES.items() if word in words), "plain")
    return format_html('<span class="rp-label rp-label--{}">{}</span>', found, word.replace("_", " "))


def shortened(text: str, most: int = 80) -> SafeString:
    """A long text on one line, whole as a tooltip."""
    shown = text if len(text) <= most else f"{text[: most - 1]}…"
    return format_html('<span title="{}">{}</span>', text[:2000], shown)
