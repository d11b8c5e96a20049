"""One source and one driver through several systems."""
