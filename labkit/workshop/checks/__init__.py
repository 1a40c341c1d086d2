"""What judges an exercise: one function each, in the module of its lesson. See `labkit.workshop.check`."""
