"""Train a GAN on chest X-rays and write synthetic ones: `xraygan run` under its first name.

    pip install -r requirements.txt
    python synthetic_xray_gan.py --data chest_xray --results results/

All options of `xraygan run` work here too: `python synthetic_xray_gan.py --help`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from xraygan.cli.main import main


def run_arguments(arguments: list[str]) -> list[str]:
    """`--data DIR` becomes the positional argument that `xraygan run` takes."""
    changed = list(arguments)
    for number, argument in enumerate(arguments):
        if argument == "--data" and number + 1 < len(arguments):
            del changed[number : number + 1]
            break
        if argument.startswith("--data="):
            changed[number] = argument.removeprefix("--data=")
            break
    return ["run", *changed]


if __name__ == "__main__":
    main(run_arguments(sys.argv[1:]))
