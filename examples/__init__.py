"""Scripts that draw the example files of the page and the picture of the README."""
