"""Break-glass accounts: coming in with a sealed code, their page, and looking at what was done."""

from typing import Any
from uuid import UUID

from allauth.account.internal.flows.login import record_authentication
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from config.page import page
from identities.confirming import SEALED_CODE
from identities.permissions import READERS, NotAllowed, NotPossible, groups, require
from reviews import accounts
from reviews.account_forms import EnterForm, LookForm, MakeForm
from reviews.confirmed import permitted_first
from reviews.models import AccountUse, BreakGlassAccount
from reviews.pages import accounts as pages
from reviews.views import asked_of, user_of

# As long as an emergency needs a session; then the next code.
SESSION_SECONDS = 3_600
BACKEND = "django.contrib.auth.backends.ModelBackend"
NO_READER = "Break-glass accounts are shown to reviewers, responders, auditors and administrators."


@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def enter(request: HttpRequest) -> HttpResponse:
    """Sign in with a sealed code; what it costs is said before."""
    if request.method == "GET":
        return page(request, "account_enter.html", {"form": EnterForm()})
    form, problem, status = EnterForm(request.POST), "", 400
    if form.is_valid():
        said = form.cleaned_data
        try:
            came = accounts.enter(
                name=said["account"],
                code=said["code"],
                who=said["who"],
                why=said["why"],
                address=accounts.address_of(request),
                now=timezone.now(),
            )
        except NotPossible as refused:
            problem = str(refused)
            status = 429 if isinstance(refused, accounts.TooMany) else 400
        else:
            # Noted already: the receiver of the sign-in (reviews/apps.py) notes it no second time.
            request.break_glass_use = came.use  # type: ignore[attr-defined]  # of this request alone
            login(request, came.user, backend=BACKEND)
            request.session.set_expiry(SESSION_SECONDS)
            record_authentication(request, came.user, SEALED_CODE, reauthenticated=True)
            messages.warning(
                request, "You are in with a break-glass account: everybody who may act was told."
            )
            return redirect("front")
    answer = page(
        request, "account_enter.html", {"form": form, "problem_said": problem}, status=status
    )
    if status == 429:
        answer.headers["Retry-After"] = "60"
    return answer


@require_GET
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    user = user_of(request)
    require(None if READERS & groups(user) else NO_READER)
    context = pages.context(user, asked_of(request), now=timezone.now())
    return page(request, "accounts.html", context)


def _may_administer(request: HttpRequest, *_: Any, **__: Any) -> str | None:
    return accounts.why_not_administer_accounts(user_of(request), now=timezone.now())


@require_http_methods(["GET", "POST"])
@login_required
@permitted_first(_may_administer)
def new(request: HttpRequest) -> HttpResponse:
    """Make one; its codes are shown in the answer and nowhere again."""
    form, context, status = MakeForm(request.POST or None), _frame("New break-glass account"), 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            said = form.cleaned_data
            try:
                made, codes = accounts.make(
                    username=said["username"],
                    roles=said["roles"],
                    kept=said["kept"],
                    second_of=said["second_of"].strip(),
                    by=user_of(request),
                    now=timezone.now(),
                )
            except (NotAllowed, NotPossible) as refused:
                context["problem"] = str(refused)
            else:
                return _codes(request, made, codes)
    return page(request, "account_new.html", context | {"form": form}, status=status)


@require_POST
@login_required
@permitted_first(_may_administer)
def seal(request: HttpRequest, pk: UUID) -> HttpResponse:
    account = get_object_or_404(BreakGlassAccount.objects.select_related("user"), pk=pk)
    codes = accounts.seal(account=account, by=user_of(request), now=timezone.now())
    return _codes(request, account, codes)


@require_POST
@login_required
@permitted_first(_may_administer)
def end(request: HttpRequest, pk: UUID) -> HttpResponse:
    account = get_object_or_404(BreakGlassAccount, pk=pk)
    reason = request.POST.get("reason", "")
    ended = accounts.end(account=account, reason=reason, by=user_of(request), now=timezone.now())
    messages.success(request, f"{ended} signs in no more.")
    return redirect("break_glass_accounts")


@require_POST
@login_required
def look_back(request: HttpRequest, pk: int) -> HttpResponse:
    use = get_object_or_404(AccountUse.objects.select_related("account__user"), pk=pk)
    user, now = user_of(request), timezone.now()
    require(accounts.why_not_look_back(user, use, now=now))
    form = LookForm(request.POST)
    if not form.is_valid():
        raise NotPossible("Say what it was, and whether it matched its reason.")
    said = form.cleaned_data
    accounts.look_back(use=use, kind=said["kind"], words=said["words"], by=user, now=now)
    messages.success(request, f"{use.key} was {said['kind']}, as you say.")
    return redirect("break_glass_accounts")


def _frame(title: str) -> dict[str, Any]:
    return {
        "section": "break_glass_accounts",
        "title": title,
        "now": timezone.now(),
        "crumbs": [{"words": "Break-glass accounts", "url": pages.PATH}],
    }


def _codes(request: HttpRequest, account: BreakGlassAccount, codes: list[str]) -> HttpResponse:
    return page(
        request,
        "account_codes.html",
        _frame(f"Codes of {account.user.username}") | {"account": account, "codes": codes},
    )
