"""The reenactment systems: one interface (`base`), one list (`catalog`), a folder for each system."""
