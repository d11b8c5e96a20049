"""Scripts of one idea each, and the pictures and motions of the page."""
