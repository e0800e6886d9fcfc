"""The customer's own pages about itself."""
