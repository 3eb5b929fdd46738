"""Writing a comment, by a plain form: one call."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from config.page import page
from identities.permissions import NotAllowed, NotPossible
from reviews import actions
from reviews.actions import planted_answers
from reviews.actions.commenting import LONGEST
from reviews.pages import case as case_page
from reviews.pages import planted
from reviews.views import case_of, user_of


@require_http_methods(["GET", "POST"])
@login_required
def case_comment(request: HttpRequest, key: str) -> HttpResponse:
    """A comment that is refused comes back with what was typed."""
    case, user, now = case_of(request, key), user_of(request), timezone.now()
    if request.method == "GET":
        return redirect("case_page", key=key)
    text, chosen = request.POST.get("comment", ""), request.POST.get("item", "")
    item = planted.shown_item(case, chosen) if chosen else None
    # What was planted is no item of the case: a comment on it is one on the case.
    real = item if item is not None and planted_answers.behind(item) is None else None
    about = real if request.POST.get("about") == "item" else None
    try:
        row = actions.comment(case=case, text=text, by=user, now=now, item=about)
    except (NotAllowed, NotPossible) as refused:
        asked = {"item": chosen, "comment": text[: 2 * LONGEST]}
        context = case_page.context(case, user, asked, now=now) | {"problem": str(refused)}
        status = 403 if isinstance(refused, NotAllowed) else 409
        return page(request, "case.html", context, status=status)
    messages.success(request, "Your comment is in the case.")
    here = f"?item={item.pk}" if item is not None else ""
    return redirect(f"/cases/{case.key}/{here}#comment-{row.pk}")
