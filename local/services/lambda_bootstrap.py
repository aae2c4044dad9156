"""What a Lambda process runs first: AWS's own runtime client, with nothing on the path but what Lambda would have.

`python -I -S lambda_bootstrap.py RUNTIME_FOLDER LAYERS_FOLDER HANDLER`, in the function's code folder. `-I -S` leave
out PYTHONPATH, the script's own folder and site-packages. A process of root's would write where permission bits
forbid it, so the code is made read-only for it first.
"""

from __future__ import annotations

import os
import sys

CLONE_NEWNS = 0x20000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1


def main(runtime_folder: str, layers_folder: str, handler: str) -> None:
    code = os.environ["LAMBDA_TASK_ROOT"]
    if sys.platform == "linux" and os.geteuid() == 0:
        deny_writing([code, *filter(None, [layers_folder])])
        os.chdir(code)  # the working folder still was the one below the read-only mount
    sys.path[:0] = [code, *layer_paths(layers_folder)]
    sys.path.append(runtime_folder)
    from awslambdaric.__main__ import main as run_function  # noqa: PLC0415  # found on the path made above

    run_function(["bootstrap", handler])


def layer_paths(layers_folder: str) -> list[str]:
    """Where Lambda's Python looks into layers."""
    if not layers_folder:
        return []
    version = os.environ["AWS_EXECUTION_ENV"].removeprefix("AWS_Lambda_")
    return [f"{layers_folder}/python/lib/{version}/site-packages", f"{layers_folder}/python"]


def deny_writing(folders: list[str]) -> None:
    """Mounts the folders read-only where that is allowed, and in any case lets permission bits hold for root too."""
    import ctypes  # noqa: PLC0415  # not needed by anyone but root, and takes milliseconds

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) == 0 and libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0:
        for folder in map(os.fsencode, folders):
            if libc.mount(folder, folder, None, MS_BIND, None) == 0:
                libc.mount(None, folder, None, MS_REMOUNT | MS_BIND | MS_RDONLY, None)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then their upper halves
    failed = libc.capget(header, sets)
    for which in range(3):
        sets[which] &= ~(1 << CAP_DAC_OVERRIDE)
    if failed or libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "cannot give up the right to write to the function's read-only code")


if __name__ == "__main__":
    main(*sys.argv[1:])
