"""`python -m labkit.cli` is `labkit`."""

from labkit.cli.main import main

main()
