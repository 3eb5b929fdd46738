"""The same for ASGI servers."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("COUNTERSIGN_POOL", "16")

from django.core.asgi import get_asgi_application

from config import root, services

root.refuse()
services.ensure(watch=True)
application = get_asgi_application()
