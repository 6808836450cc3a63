"""Where LIBERO's packages and assets are, what is missing of them, and how the scene does without what may be missing."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmark.core.errors import Unavailable
from envs.libero_goal.bowl import bowl

VARIABLE = "BENCHMARK_LIBERO_ASSETS"
BARE = {"robosuite": "robosuite==1.4.0", "bddl": "bddl==1.0.1", "libero": "hf-libero==0.1.4"}  # what they ask for is not needed
PLAIN = {
    **{"mujoco": "mujoco", "numba": "numba", "easydict": "easydict", "termcolor": "termcolor", "future": "future"},
    **{"cv2": "opencv-python", "gymnasium": "gymnasium", "cloudpickle": "cloudpickle", "yaml": "pyyaml"},
}
ROBOSUITE = "1.4."
DOWNLOADED = "~/.cache/libero/assets"  # where hf-libero's own download puts them
BOWL = "akita_black_bowl"
MODELS = (
    "scenes/libero_tabletop_base_style.xml",
    "articulated_objects/wooden_cabinet.xml",
    "articulated_objects/flat_stove.xml",
    "stable_hope_objects/cream_cheese/cream_cheese.xml",
    f"stable_scanned_objects/{BOWL}/{BOWL}.xml",
    "stable_scanned_objects/plate/plate.xml",
    "turbosquid_objects/wine_bottle/wine_bottle.xml",
    "turbosquid_objects/wine_rack/wine_rack.xml",
)
PLAIN_COLOURS = {BOWL: "0.13 0.13 0.15", "plate": "0.85 0.85 0.82"}  # of things whose texture is absent
GREY = "0.5 0.5 0.5"


def missing_packages() -> str | None:
    commands = []
    if plain := [package for module, package in PLAIN.items() if find_spec(module) is None]:
        commands.append(f"python -m pip install {' '.join(plain)}")
    wrong = find_spec("robosuite") is not None and not metadata.version("robosuite").startswith(ROBOSUITE)
    bare = [package for module, package in BARE.items() if find_spec(module) is None or (module == "robosuite" and wrong)]
    if bare:
        commands.append(f"python -m pip install --no-deps {' '.join(bare)}")
    return f"LIBERO's packages are not all installed. Fix it with: {' && '.join(commands)}" if commands else None


def missing_assets(named: str) -> str | None:
    """`named` is the folder of the config, or empty. To be asked when the packages are there."""
    folder = assets_folder(named)
    if folder is None:
        return (
            "LIBERO's assets not found; name the folder that holds its articulated_objects in env.libero_goal.assets or "
            f"{VARIABLE}, or, with network: echo N | LIBERO_CONFIG_PATH=$(mktemp -d) python -c 'from "
            "libero.libero.utils.download_utils import download_assets_from_huggingface as get; get()'"
        )
    absent = [name for name in MODELS if not (folder / name).is_file()] or _absent_meshes(folder)
    if absent:
        names = ", ".join(absent)
        return f"LIBERO's assets in {folder} are incomplete: {names} not found; copy them there or name another folder"
    return None


def assets_folder(named: str) -> Path | None:
    """The folder that is named, or else the first place of the package's own that exists."""
    if chosen := named or os.environ.get(VARIABLE, ""):
        return Path(chosen).expanduser().absolute()
    package = find_spec("libero")
    assert package is not None
    assert package.origin is not None
    own = (Path(package.origin).parent / "libero" / "assets", Path(DOWNLOADED).expanduser())
    return next((folder for folder in own if folder.is_dir()), None)


def completed(xml: str) -> tuple[str, list[str]]:
    """The scene with a bowl made here if its mesh is absent, and plain colours for absent textures; and what was replaced."""
    tree, replaced = ET.fromstring(xml), []
    for element in tree.iter():
        file = element.get("file")
        if not file or Path(file).is_file():
            continue
        if element.tag == "mesh" and BOWL in element.get("name", ""):
            _turn_a_bowl(element)
        elif element.tag == "texture":
            _paint(element)
        else:
            raise Unavailable(f"{file} not found; it is part of LIBERO's assets or of robosuite: install or copy them again")
        replaced.append(element.get("name", file))
    return ET.tostring(tree, encoding="unicode"), replaced


def _absent_meshes(folder: Path) -> list[str]:
    """Those that nothing here can stand in for."""
    absent = []
    for model in MODELS:
        at = (folder / model).parent
        files = [
            at / mesh.get("file", "") for mesh in ET.parse(folder / model).iter("mesh") if BOWL not in mesh.get("name", "")
        ]
        absent += [str(os.path.relpath(file, folder)) for file in files if not file.is_file()]
    return absent


def _turn_a_bowl(mesh: ET.Element) -> None:
    vertices, faces = bowl()
    del mesh.attrib["file"]
    mesh.attrib.pop("scale", None)
    mesh.set("vertex", " ".join(f"{number:.6f}" for number in vertices.ravel()))
    mesh.set("face", " ".join(map(str, faces.ravel())))
    angle, height = np.arctan2(vertices[:, 1], vertices[:, 0]) / (2 * np.pi) % 1, vertices[:, 2] / vertices[:, 2].max()
    mesh.set("texcoord", " ".join(f"{number:.4f}" for number in np.stack([angle, height], 1).ravel()))


def _paint(texture: ET.Element) -> None:
    name = texture.get("file", "")
    del texture.attrib["file"]
    colour = next((colour for thing, colour in PLAIN_COLOURS.items() if f"/{thing}/" in name), GREY)
    height = "48" if texture.get("type", "cube") == "cube" else "8"
    texture.attrib.update({"builtin": "flat", "rgb1": colour, "width": "8", "height": height})
