"""Small data sets in exactly the layouts that their official tools write, with what is in them."""

from __future__ import annotations

from tests.datasets.builders.diffusion_policy import zarr
from tests.datasets.builders.dynamo import dynamo_block_push, dynamo_kitchen, dynamo_libero, dynamo_pusht
from tests.datasets.builders.folders import demonstrations, folder_of_images, folder_of_videos
from tests.datasets.builders.hdf5 import libero_hdf5, spawnnet
from tests.datasets.builders.parquet import lerobot, lerobot_images
from tests.datasets.builders.tfrecords import rlds

BUILDERS = (
    dynamo_kitchen,
    dynamo_block_push,
    dynamo_pusht,
    dynamo_libero,
    zarr,
    lerobot,
    lerobot_images,
    rlds,
    libero_hdf5,
    spawnnet,
    folder_of_images,
    folder_of_videos,
    demonstrations,
)
