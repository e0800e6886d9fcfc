"""The API for the seller's own systems, at /api/v1/: one module for each noun; `v1` puts them together.

`door` lets keys in and sees to it that a write is done once; `problems` turns refusals into problem details; `pages` cuts
lists.
"""
