"""A small company that exists nowhere: its agents, people and systems, played from a seed.

Owns recordings whose truth is known because they were made: which call belongs to which run, and
what can be known of that. Written in the forms that vendors write, read as the product reads them.
Nothing in the product was fitted to them.
"""
