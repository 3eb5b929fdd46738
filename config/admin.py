"""Django's admin site: rows to look at, for superusers, behind the product's own sign-in.

It is served only where COUNTERSIGN_ADMIN says so (config/urls.py). Nothing is added, changed or
deleted by it, whatever class a model is registered with; rows change by actions, which ask
permissions and write the ledger. Which rows it shows is in the admin.py of each app.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import reverse

if TYPE_CHECKING:
    from identities.models import User

# Apps whose rows hold keys of second factors and of addresses; people see their own under Account.
SECRET = frozenset({"account", "mfa"})


def _lacks_factor(request: HttpRequest) -> str | None:
    # Imported late: models are not there yet when Django imports this module.
    from identities import permissions

    return permissions.lacks_factor(cast("User", request.user))


class ReadOnly:
    """Before the class of a model: no form, no action, whatever that class allows."""

    actions = None
    list_editable = ()
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:  # noqa: ARG002 - named by Django
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - named by Django
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - named by Django
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Not by a column that is not shown: a list that is narrowed by the beginning of a password's
        hash tells it letter by letter."""
        shown = cast("ModelAdmin[Any]", self)
        if lookup.partition("__")[0] in (shown.exclude or ()):
            return False
        return ModelAdmin.lookup_allowed(shown, lookup, value, request)


class Site(AdminSite):
    """The site, read-only, without a sign-in or a password form of its own."""

    site_header = site_title = "Countersign"

    def register(
        self,
        model_or_iterable: type[Any] | Iterable[type[Any]],
        admin_class: "type[ModelAdmin[Any]] | None" = None,
        **options: Any,
    ) -> None:
        models = [model_or_iterable] if isinstance(model_or_iterable, type) else model_or_iterable
        shown = type("ReadOnlyAdmin", (ReadOnly, admin_class or ModelAdmin), {})
        for model in models:
            if model._meta.app_label not in SECRET:
                super().register(model, shown, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Whoever decides needs a second factor, and so does who looks at every row."""
        return super().has_permission(request) and _lacks_factor(request) is None

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The product's sign-in, which goes on to the page that was asked for.

        Raises PermissionDenied to who is signed in already: signing in again would not help; or
        NotAllowed, which says how to add the second factor that is missing.
        """
        del extra_context
        if request.user.is_authenticated:
            if super().has_permission(request):
                from identities.permissions import require

                require(_lacks_factor(request))
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def password_change(  # type: ignore[override]  # Django's own form is never rendered
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The product's form, which is throttled and asks who one is."""
        del request, extra_context
        return HttpResponseRedirect(resolve_url("account_change_password"))
