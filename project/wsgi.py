"""What gunicorn serves."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "apps"))

from django.core.wsgi import get_wsgi_application

# The serving settings, which are validated whole: manage.py defaults to the migrating ones.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.serve")
application = get_wsgi_application()
