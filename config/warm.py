"""What the first page of a process would wait for, done before anybody looks.

Owns the list: addresses with the modules behind them, and the templates of this house, compiled.
"""

from pathlib import Path

from django.conf import settings
from django.template.loader import get_template
from django.urls import reverse


def warm() -> int:
    """Make ready what is made once in a process; how many templates that were."""
    reverse("front")
    folder = Path(settings.BASE_DIR) / "templates"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    for name in names:
        get_template(name)
    return len(names)
