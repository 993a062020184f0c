"""Logins of operators: how often somebody may try."""
