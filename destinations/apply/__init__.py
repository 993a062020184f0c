"""Bringing sources, destinations and connections to what a file says.

document    text to data: YAML, `${ENV}`, duplicate keys
shape       data to what is wanted, with every problem at its path
workspace   the same from RudderStack's workspaceConfig.json
plan        what differs from the database
changes     the differences as lines to read and as rows to write
"""
