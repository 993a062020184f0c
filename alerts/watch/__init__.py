"""The watch: threads of the alerts worker's main process, which tell people what is wrong, whatever else is down.

From the worker's first moment on, with or without a broker, and behind nothing that its pool does.
"""
