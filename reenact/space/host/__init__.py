"""What a host decides about a page, and what programs are told about it."""
