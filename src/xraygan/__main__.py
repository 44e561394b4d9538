"""`python -m xraygan`, for where the command is not on the path."""

from xraygan.cli.main import main

if __name__ == "__main__":
    main()
