"""Numbers and times as people read them."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def age(seconds: float) -> str:
    """For example `3 min 20 s`, `2 d 4 h`; below a second `none`: then nothing is behind."""
    if seconds < 1:
        return "none"
    left = int(seconds)
    parts: list[str] = []
    for size, unit in _UNITS:
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {unit}")
            left %= size
        elif parts:
            break
    return " ".join(parts)


def count(number: float) -> str:
    """Short enough for a tile: 950, 12.4 k, 3.1 M."""
    for size, unit in ((1_000_000, "M"), (10_000, "k")):
        if abs(number) >= size:
            return f"{number / (1000 if unit == 'k' else size):.1f} {unit}"
    return f"{number:,.0f}"
