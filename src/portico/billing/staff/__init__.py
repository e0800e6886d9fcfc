"""The desk: what the seller's people do to a sale."""
