"""What all systems share when a portrait is drawn: painters of its parts."""
