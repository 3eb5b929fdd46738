"""Whole page or part: the one place that decides."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.test import RequestFactory
from django_htmx.middleware import HtmxMiddleware

from config.page import page

TEMPLATE = "<html>{% partialdef row inline %}<p>{{ name }}</p>{% endpartialdef %}</html>"
WHOLE, PART = b"<html><p>&lt;b&gt;</p></html>", b"<p>&lt;b&gt;</p>"


@pytest.fixture
def template(settings: object) -> str:
    settings.TEMPLATES = [  # type: ignore[attr-defined]  # pytest-django's wrapper
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [("django.template.loaders.locmem.Loader", {"x.html": TEMPLATE})]
            },
        }
    ]
    assert engines.all()
    return "x.html"


@pytest.mark.parametrize(
    ("headers", "part", "expected"),
    [
        ({}, "row", WHOLE),
        ({"HX-Request": "true"}, "row", PART),
        ({"HX-Request": "true"}, None, WHOLE),
        ({"HX-Request": "true", "HX-Boosted": "true"}, "row", WHOLE),
        ({"HX-Request": "true", "HX-History-Restore-Request": "true"}, "row", WHOLE),
        ({"HX-Request-Type": "full"}, "row", WHOLE),
        ({"HX-Request": "true", "HX-Request-Type": "full"}, "row", WHOLE),
        ({"HX-Request": "true", "HX-Request-Type": "partial"}, "row", PART),
    ],
)
def test_page_or_part(
    template: str, headers: dict[str, str], part: str | None, expected: bytes
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return page(request, template, {"name": "<b>"}, part)

    answer = HtmxMiddleware(view)(RequestFactory().get("/", headers=headers))
    assert isinstance(answer, HttpResponse)
    assert answer.content == expected
    assert answer.headers["Vary"] == "HX-Request"
