"""Trying out what a narrowing would leave: the case page again with the result, nothing stored."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from config.page import page
from reviews.forms import ticked
from reviews.pages import case as case_page
from reviews.views import case_of, user_of


@require_http_methods(["GET", "POST"])
@login_required
def case_left(request: HttpRequest, key: str) -> HttpResponse:
    """The form as it was sent; a check chooses "narrow", which is what it is about."""
    case = case_of(request, key)
    if request.method == "GET":
        return redirect("case_page", key=key)
    typed = {name: str(value)[:8_000] for name, value in request.POST.items()}
    asked = typed | ticked(request.POST) | {"answer": "narrow", "checked": "1"}
    context = case_page.context(case, user_of(request), asked, now=timezone.now())
    return page(request, "case.html", context)
