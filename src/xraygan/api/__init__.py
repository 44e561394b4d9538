"""The commands as Python functions: composition only.

```python
import xraygan

trained = xraygan.train("chest_xray", outdir="runs", kimg=100)
images, labels = xraygan.generate(trained.path, num=16, class_name="PNEUMONIA")
```
"""

from xraygan.api.exploring import explore
from xraygan.api.exporting import export_data, export_model
from xraygan.api.judging import audit, evaluate, report
from xraygan.api.making import generate, run
from xraygan.api.preparing import phantom_folder, prepare, settings_from, write_prepared
from xraygan.api.training import Trained, train

__all__ = [
    "Trained",
    "audit",
    "evaluate",
    "explore",
    "export_data",
    "export_model",
    "generate",
    "phantom_folder",
    "prepare",
    "report",
    "run",
    "settings_from",
    "train",
    "write_prepared",
]
