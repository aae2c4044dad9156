"""What makes a process that hosts the local cloud start sooner.

It makes millions of objects that stay, and Python's garbage collector would look through them again and again; and each
of botocore's and moto's many sessions would look through the folders of all service models.
"""

from __future__ import annotations

import functools
import gc
from typing import Any, Final

from botocore.loaders import Loader

from model_packages.errors import OperatorError

COLLECT_AFTER: Final = (50_000, 20, 20)
"""New objects until the youngest are looked through, and how often that is until older ones are; Python's are
700, 10 and 10. The peak of memory is a tenth higher.
"""


def tune_process() -> None:
    """To be called before moto's services are imported: some of them ask botocore at once. Twice does no harm.

    Raises: OperatorError where botocore has no such method any more.
    """
    gc.set_threshold(*COLLECT_AFTER)
    if missing := {"list_available_services", "search_paths"} - set(dir(Loader)):
        raise OperatorError(f"botocore's Loader has no {missing}; install what requirements/lock.txt names")
    if not hasattr(Loader.list_available_services, "is_shared"):
        Loader.list_available_services = _shared(Loader.list_available_services)


def _shared(original: Any) -> Any:
    """The models themselves are not shared: a client of S3 changes the paths in its own."""
    known: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = {}

    @functools.wraps(original)
    def list_available_services(self: Any, type_name: str) -> list[str]:
        place = (tuple(self.search_paths), type_name)
        if place not in known:
            known[place] = tuple(original(self, type_name))
        return list(known[place])

    list_available_services.is_shared = True  # type: ignore[attr-defined]
    return list_available_services
