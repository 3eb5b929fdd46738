"""The style guide: every component and page with sample data, without the database's rows.

Open to staff, and to everybody while DEBUG is on. Samples are a made-up story (samples.py,
places.py); nothing here is read by the product's own pages.
"""
