"""Stand-ins for services outside this deployment that tests talk to over HTTP."""
