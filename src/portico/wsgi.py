"""The web application for a WSGI server. Started without `./portico`, it is a production process: it refuses to be unsafe."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portico.settings")
os.environ.setdefault("PORTICO_RUN", "production")

application = get_wsgi_application()
