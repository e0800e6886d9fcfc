"""A year of the seller's books for an auditor: what stands in its archive beside the papers, and how a stranger checks it."""
