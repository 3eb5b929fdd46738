"""Static files: collected with hashed names they are complete, and they come from nowhere else."""

import json
import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings

ROOT = Path(__file__).resolve().parent.parent.parent
VENDOR = ROOT / "static_vendor"


def test_every_file_can_be_collected_with_a_hashed_name(tmp_path: Path) -> None:
    manifest = {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    with override_settings(STATIC_ROOT=tmp_path, STORAGES={"staticfiles": manifest}):
        call_command("collectstatic", interactive=False, verbosity=0)
    paths = json.loads((tmp_path / "staticfiles.json").read_text(encoding="utf-8"))["paths"]
    for name in ("tabler/tabler.min.css", "htmx/htmx.min.js", "htmx/hx-csp.js", "icons/sprite.svg"):
        assert (tmp_path / paths[name]).is_file()


@pytest.mark.parametrize("suffix", [".css", ".js"])
def test_no_vendored_file_points_to_a_source_map(suffix: str) -> None:
    found = [
        path.name for path in VENDOR.rglob(f"*{suffix}") if b"sourceMappingURL" in path.read_bytes()
    ]
    assert found == []


def test_sprite_holds_exactly_the_listed_icons() -> None:
    listing = (ROOT / "scripts" / "icons.txt").read_text(encoding="utf-8").splitlines()
    listed = {line.split("#", 1)[0].strip() for line in listing} - {""}
    sprite = (VENDOR / "icons" / "sprite.svg").read_text(encoding="utf-8")
    assert set(re.findall(r'<symbol id="tabler-([^"]+)"', sprite)) == listed


def test_every_vendored_package_is_named_with_its_licence() -> None:
    text = (VENDOR / "THIRD_PARTY.txt").read_text(encoding="utf-8")
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    missing = [
        name
        for place in packages
        if (name := place.removeprefix("node_modules/")) and f"\n{name} " not in text
    ]
    assert missing == []
