"""Threads for the seller's people: with internal notes."""
