"""Django settings of Celery's processes: the product without its pages, a third of the imports of a worker's start.

Must never differ in what a task does: only pages, the API and the admin are missing, and nobody can ask for their URLs.
"""

from rudderproj.settings import *  # noqa: F403 - all but what follows is the same
from rudderproj.settings import INSTALLED_APPS as ALL_APPS
from rudderproj.settings import PAGE_APPS

INSTALLED_APPS = [app for app in ALL_APPS if app not in PAGE_APPS]
ROOT_URLCONF = ""
