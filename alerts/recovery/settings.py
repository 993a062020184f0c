"""Django settings of `python -m alerts.recovery`: this app alone, so that nothing else can fail it."""

from rudderproj.settings import DATABASES as DATABASES
from rudderproj.settings import DEFAULT_AUTO_FIELD as DEFAULT_AUTO_FIELD
from rudderproj.settings import ENV as ENV
from rudderproj.settings import LOGGING as LOGGING
from rudderproj.settings import LOGGING_CONFIG as LOGGING_CONFIG
from rudderproj.settings import SECRET_KEY as SECRET_KEY
from rudderproj.settings import USE_TZ as USE_TZ

INSTALLED_APPS = ["alerts"]
