"""Real faults under load, and what must have come out nevertheless. `make drills` runs all of them."""
