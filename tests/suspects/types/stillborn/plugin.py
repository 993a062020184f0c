"""Kills its process as it is imported."""

import os

os._exit(4)
