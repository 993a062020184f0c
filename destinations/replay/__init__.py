"""Replays: sending events of the log, or dead letters, again, in order and beside live traffic.

A replay has lanes of its own, claimed by the same links as the live ones, each with an end that was fixed when it was
created: never beyond what the live lane had settled then, so that it cannot overtake it. Must never hold live traffic.
"""
