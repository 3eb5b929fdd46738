"""Identities for scripts: siblings of the pages over the same actions.

Serializers validate and render and never save; the domain's two errors become 403 and 409 in
one place (doors). Everything is read through identities/visible.
"""
