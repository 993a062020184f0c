"""Degraded mode and everything around it on `make run` itself, with processes that really die."""
