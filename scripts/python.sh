#!/bin/sh
# Prints the newest Python that runs and is 3.12 or newer. A name on the path proves nothing: a
# version manager's shim may exist for a version that is not installed, so each candidate is run.
for name in python3.15 python3.14 python3.13 python3.12 python3 python; do
    # Every one on the path, not only the first: a broken shim may stand before a working one.
    IFS=:
    for folder in $PATH; do
        candidate="$folder/$name"
        [ -x "$candidate" ] || continue
        found=$("$candidate" -c 'import sys
if sys.version_info >= (3, 12): print(sys.executable)' 2>/dev/null) || continue
        if [ -n "$found" ]; then
            printf '%s\n' "$found"
            exit 0
        fi
    done
    unset IFS
done
echo "Countersign needs Python 3.12 or newer, and none was found on the path. On Debian and Ubuntu:" \
    "apt-get install python3 python3-venv" >&2
exit 1
