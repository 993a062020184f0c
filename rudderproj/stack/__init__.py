"""Everything `make run` starts: embedded PostgreSQL and Valkey, the supervisor, first-time setup.

Owns the data folder and the processes below it. Must never import Django or an app: it has to work, and to fail
with one clear line, before either can be loaded.
"""
