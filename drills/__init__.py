"""Drills: the running product is broken on purpose, part by part, under the load of `manage.py verify`.

Reading order: `registry` (what there is), `faults` (how things are broken, a module for each family), `scene` (what a
fault may use), `runner` (stack, load and fault together), `ledger`, `blows` and `judging` (what came of it), `table`.
Must never touch a stack that it did not start, or end a process by anything but its pid.
"""
