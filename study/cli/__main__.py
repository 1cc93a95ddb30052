"""`python -m study.cli`: the command `study` where its program is not on the path, as in a job."""

from study.cli.main import main

main()
