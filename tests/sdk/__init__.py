"""The official SDKs, unchanged and with their default options, against the real processes; and what other SDKs send."""
