"""Random changes of crops that keep their labels true, and composed scenes."""
