"""What a Lambda process runs first: AWS's own runtime client, with nothing on the path but what Lambda would have.

`python -I -S lambda_bootstrap.py RUNTIME_FOLDER HANDLER`, in the function's code folder. `-I -S` leave out
PYTHONPATH, the script's own folder and site-packages.
"""

from __future__ import annotations

import os
import sys


def main(runtime_folder: str, handler: str) -> None:
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    sys.path.append(runtime_folder)
    from awslambdaric.__main__ import main as run_function  # noqa: PLC0415  # found on the path made above

    run_function(["bootstrap", handler])


if __name__ == "__main__":
    main(*sys.argv[1:])
