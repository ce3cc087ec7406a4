"""`python -m dynconfig` is `dynconfig`."""

from dynconfig.cli import main

main()
