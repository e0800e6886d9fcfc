"""Threads for customers: what is internal does not exist here."""
