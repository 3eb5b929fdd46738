"""What becomes of what people leave: who takes it over, and what nobody does.

heirs.py says in which order somebody takes over; noticing.py finds who is gone and writes the list;
passing.py settles its items; untaken.py opens the reviews of what nobody ever took. Succession and
SuccessionItem rows are the queue.
"""
