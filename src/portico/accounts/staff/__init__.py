"""The seller's people about themselves."""
