"""`python -m study.cli`: the command `study` when it is not on the path, as in a job."""

from study.cli.main import main

main()
