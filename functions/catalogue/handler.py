"""The catalogue's entry point. No schema is imported before somebody asks for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import model_packages
from functions.catalogue.catalogue import Catalogue
from functions.catalogue.models import find_models
from functions.catalogue.settings import SERVICE_NAME, CatalogueSettings
from functions.shared.logs import make_logger
from functions.shared.proxy import ProxyAnswer, ProxyEvent
from functions.shared.uuid7 import InferenceIds, Issuer

catalogue = Catalogue(
    models=find_models(Path(model_packages.__path__[0])),
    settings=CatalogueSettings.from_environment(os.environ),
    make_id=InferenceIds(Issuer("catalogue")),
    log=make_logger(service=SERVICE_NAME),
)


def handler(event: ProxyEvent, _context: Any) -> ProxyAnswer:
    """What Lambda calls."""
    return catalogue.handle(event)
