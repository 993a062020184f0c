"""Erasing a person's payloads everywhere they are kept: the one exception to a log that is never updated.

Reading order: `run` (what happens when, and why in this order), `person` (which events are whose), then a module for
each kind of place. Must never leave an id in a log line, a report or a record: only its pseudonym.
"""
