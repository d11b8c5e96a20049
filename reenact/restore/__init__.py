"""Restoration of faces with third-party networks; nothing is loaded unless it is asked for."""
