"""Train a GAN on chest X-rays and write synthetic ones: `xraygan run` under its first name.

    pip install -r requirements.txt
    python synthetic_xray_gan.py --data chest_xray --results results/

All options of `xraygan run` work here too: `python synthetic_xray_gan.py --help`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from xraygan.cli.main import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
