"""Programs that measure speed and quality, print a table and write JSON."""
