"""Studies run from the clone: ablations of the papers, and how constants were found."""
