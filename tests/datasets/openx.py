"""Three data sets as Open X-Embodiment keeps them, small, with every trap that its readers fall into.

          cameras                     rate  actions                                       language
gripping  image_0; image_1 is absent  5 Hz  seven numbers; 1 opens, 0 closes, slowly      text and embedding
turning   agentview_rgb, eye_in_hand  20 Hz a dictionary, with an end; -1 opens, 1 closes text, of the observation
sweeping  image                       30 Hz velocities of a tool, no gripper              none
"""

from __future__ import annotations

import io
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.datasets.builders.pictures import png
from tests.datasets.builders.tfrecords import example, message, tensor_feature, tfrecord, varint

SIDE = 16
EPISODES = 5
LENGTHS = (12, 9, 14, 10, 11)
WORDS = 6  # numbers of an embedding


@dataclass
class Written:
    """A data set on disk, and what is in it: per episode the frames (T, V, H, W, 3) and the actions as they were recorded."""

    path: Path
    views: tuple[str, ...]
    frames: list[np.ndarray]
    actions: list[np.ndarray]
    said: dict[str, Any]


def openx(root: Path) -> dict[str, Written]:
    return {
        "gripping": gripping(root / "gripping"),
        "turning": turning(root / "turning"),
        "sweeping": sweeping(root / "sweeping"),
    }


def _images(number: int, views: int) -> list[np.ndarray]:
    """Red names the data set, green the episode and blue the step."""
    found = []
    for episode, length in enumerate(LENGTHS):
        frames = np.zeros((length, views, SIDE, SIDE, 3), np.uint8)
        frames[..., 0], frames[..., 1] = 80 * (number + 1), 40 * (episode + 1)
        frames[..., 2] = (15 * np.arange(length))[:, None, None, None]
        frames[:, 1:, : SIDE // 2] //= 2
        found.append(frames)
    return found


def _motion(number: int, width: int, size: float) -> list[np.ndarray]:
    rng = np.random.default_rng(number)
    return [(size * rng.normal(0.3, 1.0, (length, width))).astype(np.float32) for length in LENGTHS]


def _jpeg(frame: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(frame).save(out, format="JPEG", quality=90)
    return out.getvalue()


def _decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def gripping(root: Path) -> Written:
    """Versions in folders, two shards and another split; states are deflated; flags say that no camera is there."""
    frames, motion, payloads = _images(0, 1), _motion(0, 6, 0.02), []
    actions = []
    placeholder = png(np.full((SIDE, SIDE, 3), 128, np.uint8))
    for episode, length in enumerate(LENGTHS):
        hand = np.ones(length, np.float32)
        hand[3:6], hand[6:] = (0.8, 0.5, 0.2), 0.0  # closing takes three steps
        actions.append(np.concatenate([motion[episode], hand[:, None]], axis=1))
        state = np.random.default_rng(episode).normal(size=(length, 3)).astype(np.float32)
        payloads.append(
            example(
                {
                    "steps/action": actions[-1].ravel(),
                    "steps/observation/image_0": [png(frame) for frame in frames[episode][:, 0]],
                    "steps/observation/image_1": [placeholder] * length,
                    "steps/observation/state": [zlib.compress(row.tobytes()) for row in state],
                    "steps/language_instruction": [f"grip {episode}".encode()] * length,
                    "steps/language_embedding": np.tile(np.linspace(episode, 1, WORDS, dtype=np.float32), length),
                    "steps/is_last": np.array([0] * (length - 1) + [-1]),  # ten bytes long
                    "episode_metadata/has_image_0": np.array([0]),
                    "episode_metadata/file_path": [b"/somewhere/else"],
                }
            )
        )
    _shards(root / "0.1.0", "gripping", [payloads[:1]])  # an older version
    folder = root / "1.0.0"
    _shards(folder, "gripping", [payloads[:2], payloads[2:]])
    (folder / "gripping-test.tfrecord-00000-of-00001").write_bytes(tfrecord(payloads[:1]))
    image = {"image": {"shape": {"dimensions": [str(SIDE), str(SIDE), "3"]}, "dtype": "uint8", "encodingFormat": "png"}}
    observation = {"image_0": image, "image_1": image, "state": tensor_feature(3, encoding="zlib")}
    steps = {"action": tensor_feature(7), "observation": {"featuresDict": {"features": observation}}}
    steps |= {"language_instruction": {"text": {}}, "language_embedding": tensor_feature(WORDS)}
    inner = {"feature": {"featuresDict": {"features": steps}}, "length": "-1"}
    (folder / "features.json").write_text(json.dumps({"featuresDict": {"features": {"steps": {"sequence": inner}}}}))
    names = ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]
    said = {"hz": 5, "actions": {"representation": "delta", "names": names, "gripper": "1 opens, 0 closes", "units": "m, rad"}}
    (root / "recording.json").write_text(json.dumps(said))
    return Written(root, ("image_0",), frames, actions, said)


def turning(root: Path) -> Written:
    """No description of its fields: images are known by their first bytes. The action is a dictionary."""
    frames, motion, actions, payloads = _images(1, 2), _motion(1, 6, 0.1), [], []
    for episode, length in enumerate(LENGTHS):
        hand = np.where(np.arange(length) % 8 < 4, -1.0, 1.0).astype(np.float32)
        end = (np.arange(length) == length - 1).astype(np.float32)
        jpegs = [[_jpeg(frame) for frame in view] for view in np.moveaxis(frames[episode], 1, 0)]
        frames[episode] = np.stack([[_decoded(data) for data in view] for view in jpegs], axis=1)
        payloads.append(
            example(
                {
                    "steps/action/world_vector": motion[episode][:, :3].ravel(),
                    "steps/action/rotation_delta": motion[episode][:, 3:].ravel(),
                    "steps/action/gripper_closedness_action": hand,
                    "steps/action/terminate_episode": end,
                    "steps/observation/agentview_rgb": jpegs[0],
                    "steps/observation/eye_in_hand_rgb": jpegs[1],
                    "steps/observation/natural_language_instruction": [b"turn it"] * length,
                    "steps/observation/objects/ragged_flat_values": np.arange(3, dtype=np.float32),
                    "steps/observation/objects/ragged_row_lengths_0": np.array([3] + [0] * (length - 1)),
                }
            )
        )
        columns = (hand[:, None], motion[episode][:, 3:], end[:, None], motion[episode][:, :3])  # in the order of their names
        actions.append(np.concatenate(columns, axis=1))
    _shards(root / "0.1.0", "turning", [[payload] for payload in payloads])
    said = {"hz": 20, "actions": {"representation": "delta", "gripper": "-1 opens, 1 closes"}}
    (root / "recording.json").write_text(json.dumps(said))
    return Written(root, ("agentview_rgb", "eye_in_hand_rgb"), frames, actions, said)


def sweeping(root: Path) -> Written:
    """Shards without a folder of a version; numbers that are not packed; velocities."""
    frames, actions, payloads = _images(2, 1), _motion(2, 4, 0.5), []
    for episode, length in enumerate(LENGTHS):
        rest = example(
            {"steps/action": actions[episode].ravel(), "steps/observation/image": [png(f) for f in frames[episode][:, 0]]}
        )
        unpacked = message(3, b"".join(varint(1 << 3) + varint(value) for value in range(length)))
        entry = message(1, message(1, b"steps/observation/clock") + message(2, unpacked))
        payloads.append(message(1, _inside(rest) + entry))
    _shards(root, "sweeping", [payloads])
    names = ["x", "y", "z", "roll"]
    said = {"hz": 30, "actions": {"representation": "velocity", "names": names, "units": "m/s, rad/s"}}
    (root / "recording.json").write_text(json.dumps(said))
    return Written(root, ("image",), frames, actions, said)


def _inside(payload: bytes) -> bytes:
    """The fields of an Example, to which more are added."""
    length_bytes = next(n for n in range(1, 6) if payload[n] < 128)
    return payload[1 + length_bytes :]


def _shards(folder: Path, name: str, shards: list[list[bytes]]) -> None:
    folder.mkdir(parents=True)
    for number, payloads in enumerate(shards):
        file = f"{name}-train.tfrecord-{number:05d}-of-{len(shards):05d}"
        (folder / file).write_bytes(tfrecord(payloads))
