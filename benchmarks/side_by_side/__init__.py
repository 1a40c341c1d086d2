"""The same topic through this project's job and through other ways to write it, measured one after the other."""
