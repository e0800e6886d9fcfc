"""The desk's first page: what joins apps."""
