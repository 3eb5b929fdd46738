"""A web process that has begun: what its first page needs is made."""

from pathlib import Path

from django.template import engines
from django.urls import get_resolver

from config.warm import warm


def test_every_template_is_compiled_and_kept() -> None:
    found = warm()
    folder = Path(__file__).resolve().parents[2] / "templates"
    assert found == len(list(folder.rglob("*.html"))) > 100
    (loader,) = engines["django"].engine.template_loaders  # type: ignore[attr-defined]  # Django's backend
    assert "line.html" in loader.get_template_cache
    assert get_resolver().reverse_dict.getlist("front") != []
