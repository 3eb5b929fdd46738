"""Copies the files that pages use out of node_modules into static_vendor/ (git-ignored).

Owns the list of files; the icons of the sprite are listed in scripts/icons.txt. Standard library
only. Comments that point to source maps are stripped: the maps are not served, and collecting
static files with hashed names would look for them. Nothing is copied when nothing has changed.
"""

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
ICONS = ROOT / "scripts" / "icons.txt"
TARGET = ROOT / "static_vendor"

FILES = {
    "tabler/tabler.min.css": "@tabler/core/dist/css/tabler.min.css",
    "tabler/tabler.min.js": "@tabler/core/dist/js/tabler.min.js",
    "htmx/htmx.min.js": "htmx.org/dist/htmx.min.js",
    "htmx/hx-csp.js": "htmx.org/dist/ext/hx-csp.min.js",
    "fonts/inter.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
    "fonts/jetbrains-mono.woff2": (
        "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2"
    ),
}
LICENCES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "license")
SOURCE_MAP = re.compile(rb"(//[#@] ?sourceMappingURL=[^\n]*|/\*[#@] ?sourceMappingURL=[^*]*\*/)\n?")
ICON_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SVG = re.compile(r"<svg\b([^>]*)>(.*)</svg>", re.DOTALL)


def icon_names(listing: str) -> list[str]:
    """The names in the list: one a line, `#` begins a comment."""
    names = {line.split("#", 1)[0].strip() for line in listing.splitlines()}
    return sorted(names - {""})


def icon(name: str) -> str:
    """One `<symbol>`; a name that ends in `-filled` is taken from the filled set."""
    if not ICON_NAME.fullmatch(name):
        sys.exit(f"scripts/icons.txt: {name!r} is no icon name.")
    filled = name.endswith("-filled")
    path = (
        MODULES
        / "@tabler/icons/icons"
        / (f"filled/{name.removesuffix('-filled')}.svg" if filled else f"outline/{name}.svg")
    )
    if not path.exists():
        sys.exit(f"scripts/icons.txt: there is no icon {name!r} in @tabler/icons.")
    match = SVG.search(path.read_text(encoding="utf-8"))
    if match is None:
        sys.exit(f"{path} is no SVG as expected.")
    drawing = re.sub(r"\s*\n\s*", "", match.group(2))
    paint = (
        'fill="currentColor"'
        if filled
        else 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" '
        'stroke-linejoin="round"'
    )
    return f'<symbol id="tabler-{name}" viewBox="0 0 24 24" {paint}>{drawing}</symbol>'


def sprite(names: list[str]) -> str:
    symbols = "\n".join(icon(name) for name in names)
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n{symbols}\n</svg>\n'


def third_party(lock: dict[str, dict[str, dict[str, str]]]) -> str:
    """Name, version, licence and licence text of every package whose files are served."""
    parts = ["Files in this folder come from these packages.\n"]
    for place, entry in sorted(lock["packages"].items()):
        name = place.removeprefix("node_modules/")
        if not name:
            continue
        parts.append(f"\n{'=' * 78}\n{name} {entry['version']}, {entry.get('license', '?')}\n")
        for candidate in LICENCES:
            file = MODULES / name / candidate
            if file.exists():
                parts.append("\n" + file.read_text(encoding="utf-8").strip() + "\n")
                break
    return "".join(parts)


def fingerprint() -> str:
    """Changes when this script, the list of icons or the locked packages change."""
    digest = hashlib.sha256()
    for path in (Path(__file__), ICONS, ROOT / "package-lock.json"):
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def main() -> None:
    stamp = TARGET / ".stamp"
    wanted = fingerprint()
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return
    if not MODULES.is_dir():
        sys.exit("node_modules/ is missing; run `make setup`.")
    draft = ROOT / "static_vendor.new"
    shutil.rmtree(draft, ignore_errors=True)
    for target, source in FILES.items():
        content = (MODULES / source).read_bytes()
        if target.endswith((".css", ".js")):
            content = SOURCE_MAP.sub(b"", content)
        path = draft / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (draft / "icons").mkdir()
    names = icon_names(ICONS.read_text(encoding="utf-8"))
    (draft / "icons" / "sprite.svg").write_text(sprite(names), encoding="utf-8")
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    (draft / "THIRD_PARTY.txt").write_text(third_party(lock), encoding="utf-8")
    (draft / ".stamp").write_text(wanted, encoding="ascii")
    shutil.rmtree(TARGET, ignore_errors=True)
    draft.rename(TARGET)
    print(f"static_vendor: {len(FILES)} files, {len(names)} icons")


if __name__ == "__main__":
    main()
