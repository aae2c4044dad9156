"""What folds a window that outgrows the monitor's function: AWS's Spark image, and our code for it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from aws_cdk import Aws, CfnMapping
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from cdk.sources import ROOT, Sources

REPOSITORY = "sagemaker-spark-processing"
TAG = "3.5-cpu-py312-v1"
"""Spark 3.5 on Python 3.12: the only one of AWS's images whose Python reads this code."""
REGISTRIES: Mapping[str, str] = {
    "af-south-1": "309385258863",
    "ap-east-1": "732049463269",
    "ap-east-2": "533267296287",
    "ap-northeast-1": "411782140378",
    "ap-northeast-2": "860869212795",
    "ap-northeast-3": "102471314380",
    "ap-south-1": "105495057255",
    "ap-south-2": "873151114052",
    "ap-southeast-1": "759080221371",
    "ap-southeast-2": "440695851116",
    "ap-southeast-3": "800295151634",
    "ap-southeast-4": "819679513684",
    "ap-southeast-5": "841784149062",
    "ap-southeast-6": "278240940207",
    "ap-southeast-7": "471112967968",
    "ca-central-1": "446299261295",
    "ca-west-1": "000907499111",
    "cn-north-1": "671472414489",
    "cn-northwest-1": "844356804704",
    "eu-central-1": "906073651304",
    "eu-central-2": "142351485170",
    "eu-isoe-west-1": "010264522435",
    "eu-north-1": "330188676905",
    "eu-south-1": "753923664805",
    "eu-south-2": "833944533722",
    "eu-west-1": "571004829621",
    "eu-west-2": "836651553127",
    "eu-west-3": "136845547031",
    "eusc-de-east-1": "713710892325",
    "il-central-1": "408426139102",
    "me-central-1": "395420993607",
    "me-south-1": "750251592176",
    "mx-central-1": "211125459255",
    "sa-east-1": "737130764395",
    "us-east-1": "173754725891",
    "us-east-2": "314815235551",
    "us-gov-east-1": "260923028637",
    "us-gov-west-1": "271483468897",
    "us-west-1": "667973535471",
    "us-west-2": "153931337802",
}
"""AWS's account that has the image, by region. From the SageMaker SDK's list, image_uri_config/spark.json of
sagemaker-core, with which a test compares it.
"""
APP = "functions/monitor/spark.py"
FOLDERS = ("functions/monitor", "functions/shared", "model_packages/profile")
FILES = (
    "functions/__init__.py",
    "functions/gateway/__init__.py",
    "functions/gateway/metrics.py",
    "model_packages/__init__.py",
    "model_packages/contract.py",
    "model_packages/errors.py",
    "model_packages/fields.py",
    "model_packages/interface.py",
)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")


class Spark(Construct):
    """`image_uri`, `app` and `code` of the processing jobs, and the ARN of the image's `repository`.

    The app is a file and the code a zip: Spark starts the one and puts the other on its path (docs/decisions/spark.md).
    """

    def __init__(self, scope: Construct, construct_id: str, *, sources: Sources) -> None:
        super().__init__(scope, construct_id)
        accounts = {region: {"account": account} for region, account in REGISTRIES.items()}
        account = CfnMapping(self, "Registries", mapping=accounts).find_in_map(Aws.REGION, "account")
        self.image_uri = f"{account}.dkr.ecr.{Aws.REGION}.{Aws.URL_SUFFIX}/{REPOSITORY}:{TAG}"
        self.repository_arn = f"arn:{Aws.PARTITION}:ecr:{Aws.REGION}:{account}:repository/{REPOSITORY}"
        self.app = s3_assets.Asset(self, "App", path=str(ROOT / APP))
        self.code = s3_assets.Asset(self, "Code", path=str(write_code(sources.build_folder / "processing")))


def write_code(folder: Path) -> Path:
    """Puts what the job imports into `folder`, which it replaces; no package's own code is among it."""
    shutil.rmtree(folder, ignore_errors=True)
    for source in FOLDERS:
        shutil.copytree(ROOT / source, folder / source, ignore=LEFT_OUT)
    for source in FILES:
        (folder / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, folder / source)
    return folder
