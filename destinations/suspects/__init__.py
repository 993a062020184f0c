"""Who killed the worker: what was in flight at a death is tried again alone, and what kills twice alone is given up.

Reading order: `models` (a suspect; made by a trigger when a crash is stored), `looking` (which may be looked into now),
`session` and `examination` (a process looks into them, one after the other, before it does anything else), `verdict`
(what it means for the event, its crashes and its destination). Must never let a suspect be sent beside another event.
"""

from destinations.suspects.naming import describe

__all__ = ["describe"]
