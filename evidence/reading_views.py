"""Pages of how deposits are read: correct a format, read again, try and save mapping files.

Each view translates one request to one call; what a deposit's page shows of its readings is
evidence/readings.py's.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from config.page import page
from evidence import changing, mappings, permissions, rereading
from evidence.formats.mapping_text import LARGEST
from evidence.mappings import LARGEST_SAMPLE, MappingError
from evidence.models import Deposit, MappingVersion, Source
from evidence.permissions import NotPossible, Reader
from evidence.views import read_by


@require_POST
@read_by
def deposit_reread(request: HttpRequest, by: Reader, number: int) -> HttpResponse:
    row = get_object_or_404(Deposit.objects.select_related("source"), pk=number)
    wanted = request.POST.get("format", "")[:200].replace("\0", "")
    rereading.ask(deposit=row, to_format=wanted, by=by, now=timezone.now())
    messages.success(request, f"Deposit {row.pk} is read again; this page shows when it is done.")
    return redirect("deposit_page", number=number)


class MappingForm(forms.Form):
    """A mapping file and a sample, pasted or uploaded; an upload wins."""

    mapping = forms.CharField(
        required=False,
        max_length=LARGEST,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 16, "spellcheck": "false"}),
        label="Mapping",
        help_text="YAML or JSON: field paths, no code.",
    )
    mapping_file = forms.FileField(required=False, label="or a mapping file")
    sample = forms.CharField(
        required=False,
        max_length=LARGEST_SAMPLE,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        label="Sample",
        help_text="A few records as the source writes them. Nothing of it is stored.",
    )
    sample_file = forms.FileField(required=False, label="or a sample file")

    def text(self) -> str:
        upload = self.cleaned_data["mapping_file"]
        if upload is None:
            return str(self.cleaned_data["mapping"]).replace("\r\n", "\n")
        return bytes(upload.read(LARGEST * 4)).decode("utf-8", "replace")

    def body(self) -> bytes:
        upload = self.cleaned_data["sample_file"]
        if upload is None:
            return str(self.cleaned_data["sample"]).replace("\r\n", "\n").encode()
        return bytes(upload.read(LARGEST_SAMPLE + 1))


@read_by
def mapping_page(request: HttpRequest, by: Reader) -> HttpResponse:
    """Try a mapping on a sample, and save it; whoever may not, reads what is saved."""
    if request.method == "POST":
        permissions.require(by.why_not_administer)
    shown: dict[str, Any] = {"preview": None, "problems": [], "problem": ""}
    form = MappingForm(request.POST or None, request.FILES or None, initial=_chosen(request))
    status = 200
    if request.method == "POST" and form.is_valid():
        text = form.text()
        try:
            if request.POST.get("act") == "save":
                return _saved(request, text, by)
            found = mappings.preview(text, form.body())
            shown |= {"preview": found, "missing": found.missing()}
        except MappingError as problem:
            shown["problems"], status = mappings.problems_of(problem), 400
        except NotPossible as problem:
            shown["problem"], status = str(problem), 400
        form = MappingForm(
            initial={"mapping": text[:LARGEST], "sample": form.cleaned_data["sample"]}
        )
    elif request.method == "POST":
        status = 400
    answer = shown | {
        "section": "sources",
        "form": form,
        "why_not": by.why_not_administer,
        "saved": MappingVersion.objects.order_by("name", "-version").distinct("name"),
        "sources": Source.objects.order_by("name").values_list("name", flat=True),
    }
    return page(request, "mapping.html", answer, status=status)


def _chosen(request: HttpRequest) -> dict[str, str]:
    """The text of the saved mapping that the address names."""
    name = request.GET.get("name", "")[:80].replace("\0", "")
    row = MappingVersion.objects.filter(name=name).order_by("-version").first()
    return {"mapping": row.text} if row is not None else {}


def _saved(request: HttpRequest, text: str, by: Reader) -> HttpResponse:
    name = request.POST.get("source", "")[:80].replace("\0", "")
    source = get_object_or_404(Source, name=name) if name else None
    row, key = changing.map_by(text, source, by=by, now=timezone.now())
    if row is None:
        messages.info(request, f"Nothing is changed yet: a second person signs {key} first.")
        return redirect(f"/changes/{key}/")
    words = f"mapping:{row.name} is saved as version {row.version}"
    if source is not None:
        words += f", and {name} is read by it from now on"
    messages.success(request, f"{words}.")
    return redirect(f"/mappings/?name={row.name}")
