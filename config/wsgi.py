"""The web process's entry: services first, then Django, with a pool of connections, warm."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("COUNTERSIGN_POOL", "16")

from django.core.wsgi import get_wsgi_application

from config import root, services
from config.warm import warm

root.refuse()
services.ensure(watch=True)
application = get_wsgi_application()
warm()
