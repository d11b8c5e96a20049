"""Labelled and prepared sets, local or remote, decoded into arrays."""
