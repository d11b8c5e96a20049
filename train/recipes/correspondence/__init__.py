"""Recipe of the correspondence system."""
