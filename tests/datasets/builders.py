"""Small data sets in exactly the layouts that their official tools write, with what is in them."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.contracts.data import DataSpec, Episode
from benchmark.contracts.specs import ActionSpec
from benchmark.data.episodes import DemosWriter

LENGTHS = (5, 3, 4)
SIDE = 16


@dataclass
class Built:
    """A data set on disk and its content: per episode the frames (T, V, H, W, 3), actions, states, proprioception."""

    path: Path
    format: str
    views: tuple[str, ...]
    hz: float | None
    frames: list[np.ndarray]
    actions: list[np.ndarray]
    states: list[np.ndarray] | None = None
    proprio: list[np.ndarray] | None = None
    lossless: bool = True
    tasks: list[str] = field(default_factory=list)


class Bomb:
    """Unpickled, it leaves a mark."""

    mark: Path

    def __reduce__(self) -> tuple[Callable, tuple]:
        return Path.touch, (self.mark,)


def bomb(mark: Path) -> bytes:
    Bomb.mark = mark
    return pickle.dumps(Bomb())


def numbers(width: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, width)).astype(np.float32) for length in LENGTHS]


def images(views: int, seed: int = 0, side: int = SIDE) -> list[np.ndarray]:
    """Smooth ones, which a video codec keeps well: every frame its own colours."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, side)
    slope = ramp[:, None, None] * 0.5 + ramp[None, :, None] * 0.5
    colours = [rng.uniform(20, 200, size=(length, views, 1, 1, 3)) for length in LENGTHS]
    return [(colour + 50 * slope).astype(np.uint8) for colour in colours]


def padded(arrays: list[np.ndarray]) -> np.ndarray:
    """(N, T_max, width), nonsense after each end."""
    full = np.full((len(arrays), max(LENGTHS), arrays[0].shape[1]), np.nan, np.float32)
    for row, array in zip(full, arrays, strict=True):
        row[: len(array)] = array
    return full


def mask() -> np.ndarray:
    return (np.arange(max(LENGTHS))[None] < np.array(LENGTHS)[:, None]).astype(np.float32)


def save_tensor(array: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(torch.from_numpy(array), path)


# --------------------------------------------------------------------------------------------------------------- DynaMo


def dynamo_kitchen(root: Path) -> Built:
    frames, actions, observations = images(1), numbers(9), numbers(60, 1)
    for number, episode in enumerate(frames):
        save_tensor(np.ascontiguousarray(episode.transpose(0, 1, 4, 2, 3)), root / f"obses/{number:03d}.pth")
    np.save(root / "actions_seq.npy", padded(actions).transpose(1, 0, 2))
    np.save(root / "observations_seq.npy", padded(observations).transpose(1, 0, 2))
    np.save(root / "existence_mask.npy", mask().T)
    states, proprio = [o[:, :30] for o in observations], [o[:, :9] for o in observations]
    return Built(root, "dynamo_release", ("view_0",), 12.5, frames, actions, states, proprio)


def dynamo_block_push(root: Path) -> Built:
    frames, actions, states = images(2), numbers(2), numbers(16, 1)
    for number, episode in enumerate(frames):
        save_tensor(episode, root / f"obs_multiview/{number:03d}.pth")
    np.save(root / "multimodal_push_actions.npy", padded(actions))
    np.save(root / "multimodal_push_observations.npy", padded(states))
    np.save(root / "multimodal_push_masks.npy", mask())
    proprio = [s[:, 6:8] for s in states]
    return Built(root, "dynamo_release", ("view_0", "view_1"), 10.0, frames, actions, states, proprio)


def dynamo_pusht(root: Path) -> Built:
    frames, actions, states = images(1), numbers(2), numbers(5, 1)
    for number, episode in enumerate(frames):
        save_tensor(episode[:, 0], root / f"obses/episode_{number:03d}.pth")
    save_tensor(padded(actions), root / "abs_actions.pth")
    save_tensor(padded(actions), root / "rel_actions.pth")
    save_tensor(padded(states), root / "states.pth")
    (root / "seq_lengths.pkl").write_bytes(bomb(root / "exploded"))
    return Built(root, "dynamo_release", ("view_0",), 10.0, frames, actions, states, [s[:, :2] for s in states])


def dynamo_libero(root: Path) -> Built:
    frames, actions, states, tasks = images(2), numbers(7), numbers(23, 1), []
    for number, episode in enumerate(frames):
        task = ("open_the_drawer", "turn_on_the_stove")[number // 2]
        demo = root / "libero_goal" / task / f"demo_{number}"
        for view, name in enumerate(("agentview", "robot0_eye_in_hand")):
            save_tensor(np.ascontiguousarray(episode[:, view]), demo / f"{name}_image.pth")
        np.save(demo / "actions.npy", actions[number])
        np.save(demo / "robot0_joint_pos.npy", states[number][:, :7])
        np.save(demo / "robot0_eef.npy", states[number][:, 7:14])
        np.save(demo / "robot0_gripper_pos.npy", states[number][:, 14:16])
        np.save(demo / "object_states.npy", states[number][:, 16:])
        tasks.append(task.replace("_", " "))
    wide = [np.pad(s, ((0, 0), (0, 128 - 23))) for s in states]
    views = ("agentview", "robot0_eye_in_hand")
    return Built(root, "dynamo_release", views, 20.0, frames, actions, wide, [s[:, :16] for s in states], tasks=tasks)


# ----------------------------------------------------------------------------------------------------- Diffusion Policy


def zarr(root: Path) -> Built:
    blosc = pytest.importorskip("numcodecs", reason="python -m pip install -e .[data]").Blosc("zstd")
    frames, actions, states, proprio = images(1), numbers(2), numbers(5, 1), numbers(3, 2)
    store = root / "pusht_cchi_v7_replay.zarr"
    arrays = {
        "data/img": np.concatenate(frames)[:, 0].astype(np.float32),
        "data/action": np.concatenate(actions),
        "data/state": np.concatenate(states),
        "data/robot_eef_pos": np.concatenate(proprio),
        "data/n_contacts": np.zeros((sum(LENGTHS), 1), np.float32),
        "meta/episode_ends": np.cumsum(LENGTHS),
    }
    for name, array in arrays.items():
        folder = store / name
        folder.mkdir(parents=True)
        chunk = (5, *array.shape[1:])
        meta = {"chunks": chunk, "compressor": {"id": "blosc"}, "dtype": array.dtype.str, "fill_value": 0, "filters": None}
        (folder / ".zarray").write_text(json.dumps({**meta, "order": "C", "shape": array.shape, "zarr_format": 2}))
        for number, first in enumerate(range(0, len(array), 5)):
            rows = np.zeros(chunk, array.dtype)
            rows[: len(array[first : first + 5])] = array[first : first + 5]
            (folder / ".".join([str(number), *["0"] * (array.ndim - 1)])).write_bytes(blosc.encode(rows))
    return Built(root, "diffusion_policy_zarr", ("img",), 10.0, frames, actions, states, proprio)


# -------------------------------------------------------------------------------------------------------------- LeRobot


def write_video(path: Path, frames: np.ndarray, fps: float) -> None:
    import imageio_ffmpeg

    path.parent.mkdir(parents=True, exist_ok=True)
    size = frames.shape[1:3][::-1]
    options = ["-crf", "5", "-g", "2"]
    writer = imageio_ffmpeg.write_frames(str(path), size, fps=fps, quality=None, macro_block_size=2, output_params=options)
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()


def lerobot_images(root: Path) -> Built:
    """As LeRobot writes with use_videos=False: one camera's images lie in the table, as PNG, and nothing is lost."""
    built = lerobot(root)
    import pandas as pd

    key = "observation.images.wrist"
    for file, members in enumerate(([0, 1], [2])):
        path = root / f"data/chunk-000/file-{file:03d}.parquet"
        frames = np.concatenate([built.frames[number][:, 1] for number in members])
        table = pd.read_parquet(path)
        table[key] = [{"bytes": _png(frame), "path": f"{index}.png"} for index, frame in enumerate(frames)]
        table.to_parquet(path)
    shutil.rmtree(root / "videos" / key)
    info = json.loads((root / "meta/info.json").read_text())
    info["features"][key] = {"dtype": "image", "shape": [SIDE, SIDE, 3]}
    info["features"]["action"]["names"] = {"motors": ["pan", "lift", "grip"]}
    (root / "meta/info.json").write_text(json.dumps(info))
    return built


def _png(frame: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(frame).save(out, format="PNG")
    return out.getvalue()


def lerobot(root: Path) -> Built:
    """Two episodes in the first files, one in the second ones, as when the first were full."""
    pytest.importorskip("pyarrow", reason="python -m pip install -e .[data]")
    import pandas as pd

    frames, actions, proprio = images(2), numbers(3), numbers(4, 1)
    keys = ("observation.images.top", "observation.images.wrist")
    files, fps = ([0, 1], [2]), 10
    rows = []
    for file, members in enumerate(files):
        steps, begin = [], 0.0
        for number in members:
            start = sum(LENGTHS[:number])
            row: dict[str, Any] = {"episode_index": number, "tasks": ["push"], "length": LENGTHS[number]}
            row |= {"data/chunk_index": 0, "data/file_index": file}
            row |= {"dataset_from_index": start, "dataset_to_index": start + LENGTHS[number]}
            for key in keys:
                row |= {f"videos/{key}/chunk_index": 0, f"videos/{key}/file_index": file}
                row |= {f"videos/{key}/from_timestamp": begin, f"videos/{key}/to_timestamp": begin + LENGTHS[number] / fps}
            begin += LENGTHS[number] / fps
            rows.append({**row, "stats/action/min": actions[number].min(0).tolist()})
            for index in range(LENGTHS[number]):
                step = {"action": actions[number][index], "observation.state": proprio[number][index]}
                where = {"timestamp": index / fps, "frame_index": index, "episode_index": number, "index": start + index}
                steps.append({**step, **where, "task_index": 0})
        path = root / f"data/chunk-000/file-{file:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(steps).to_parquet(path)
        for view, key in enumerate(keys):
            video = root / f"videos/{key}/chunk-000/file-{file:03d}.mp4"
            write_video(video, np.concatenate([frames[n][:, view] for n in members]), fps)
    (root / "meta/episodes/chunk-000").mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(root / "meta/episodes/chunk-000/file-000.parquet")
    pd.DataFrame({"task_index": [0]}, index=pd.Index(["push"], name="task")).to_parquet(root / "meta/tasks.parquet")
    features = {"action": {"dtype": "float32", "shape": [3]}, "observation.state": {"dtype": "float32", "shape": [4]}}
    features |= {key: {"dtype": "video", "shape": [SIDE, SIDE, 3]} for key in keys}
    info = {"codebase_version": "v3.0", "fps": fps, "total_episodes": 3, "total_frames": sum(LENGTHS), "features": features}
    info["data_path"] = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    info["video_path"] = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    (root / "meta/info.json").write_text(json.dumps(info))
    return Built(root, "lerobot", ("top", "wrist"), 10.0, frames, actions, None, proprio, lossless=False, tasks=["push"] * 3)


# ----------------------------------------------------------------------------------------------------------------- RLDS


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def message(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def feature(values: list[bytes] | np.ndarray) -> bytes:
    if isinstance(values, list):
        return message(1, b"".join(message(1, value) for value in values))
    if values.dtype == np.float32:
        return message(2, message(1, values.astype("<f4").tobytes()))
    return message(3, message(1, b"".join(varint(int(value)) for value in values)))


def example(features: dict[str, list[bytes] | np.ndarray]) -> bytes:
    entries = [message(1, message(1, k.encode()) + message(2, feature(v))) for k, v in features.items()]
    return message(1, b"".join(entries))


def bitwise_crc32c(data: bytes) -> int:
    """By the definition, one bit at a time."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = bitwise_crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def tfrecord(payloads: list[bytes]) -> bytes:
    lengths = [struct.pack("<Q", len(payload)) for payload in payloads]
    return b"".join(n + masked(n) + payload + masked(payload) for n, payload in zip(lengths, payloads, strict=True))


def png(frame: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, format="PNG")
    return file.getvalue()


def tensor_feature(width: int, dtype: str = "float32", encoding: str = "none") -> dict[str, Any]:
    return {"tensor": {"shape": {"dimensions": [str(width)]}, "dtype": dtype, "encoding": encoding}}


def rlds(root: Path) -> Built:
    """Two shards; one camera absent everywhere, one in one episode; states as deflated tensors."""
    frames, actions, proprio = images(2), numbers(7), numbers(4, 1)
    frames[1][:, 1] = 0
    placeholder, payloads, tasks = png(np.full((SIDE, SIDE, 3), 128, np.uint8)), [], []
    for number, length in enumerate(LENGTHS):
        wrist = [placeholder] * length if number == 1 else [png(f) for f in frames[number][:, 1]]
        tasks.append(f"task {number}")
        features: dict[str, list[bytes] | np.ndarray] = {
            "steps/action": actions[number].ravel(),
            "steps/observation/image_0": [png(f) for f in frames[number][:, 0]],
            "steps/observation/image_1": wrist,
            "steps/observation/image_2": [placeholder] * length,
            "steps/observation/state": [zlib.compress(row.tobytes()) for row in proprio[number]],
            "steps/language_instruction": [tasks[-1].encode()] * length,
            "steps/language_embedding": np.zeros(length * 512, np.float32),
            "steps/is_last": np.array([0] * (length - 1) + [-1]),
        }
        payloads.append(example(features))
    folder = root / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "toy-train.tfrecord-00000-of-00002").write_bytes(tfrecord(payloads[:2]))
    (folder / "toy-train.tfrecord-00001-of-00002").write_bytes(tfrecord(payloads[2:]))
    (folder / "toy-val.tfrecord-00000-of-00001").write_bytes(tfrecord(payloads[:1]))
    image = {"image": {"shape": {"dimensions": [str(SIDE), str(SIDE), "3"]}, "dtype": "uint8", "encodingFormat": "png"}}
    cameras = {f"image_{index}": image for index in range(3)}
    observation = {"featuresDict": {"features": {**cameras, "state": tensor_feature(4, encoding="zlib")}}}
    steps = {"action": tensor_feature(7), "observation": observation, "language_instruction": {"text": {}}}
    steps |= {"language_embedding": tensor_feature(512), "is_last": {"tensor": {"shape": {}, "dtype": "bool"}}}
    inner = {"feature": {"featuresDict": {"features": steps}}, "length": "-1"}
    (folder / "features.json").write_text(json.dumps({"featuresDict": {"features": {"steps": {"sequence": inner}}}}))
    return Built(root, "rlds", ("image_0", "image_1"), None, frames, actions, None, proprio, tasks=tasks)


# ----------------------------------------------------------------------------------------------------------------- HDF5


def libero_hdf5(root: Path) -> Built:
    h5py = pytest.importorskip("h5py", reason="python -m pip install -e .[data]")
    frames, actions, states, robot = images(2), numbers(7), numbers(10, 1), numbers(15, 2)
    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "open_the_drawer_demo.hdf5", "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Libero", "type": 1, "env_kwargs": {"control_freq": 20}})
        data.attrs["problem_info"] = json.dumps({"language_instruction": "open the drawer"})
        data.attrs["macros_image_convention"] = "opengl"
        for number, place in enumerate((0, 2, 10)):  # demo_10 comes after demo_2
            demo = data.create_group(f"demo_{place}")
            demo["actions"], demo["states"] = actions[number].astype(np.float64), states[number].astype(np.float64)
            demo["obs/agentview_rgb"] = frames[number][:, 0, ::-1]
            demo["obs/eye_in_hand_rgb"] = frames[number][:, 1, ::-1]
            demo["obs/ee_states"] = robot[number][:, :6]
            demo["obs/ee_pos"] = robot[number][:, :3]
            demo["obs/gripper_states"], demo["obs/joint_states"] = robot[number][:, 6:8], robot[number][:, 8:]
    views, tasks = ("agentview_rgb", "eye_in_hand_rgb"), ["open the drawer"] * 3
    return Built(root, "hdf5", views, 20.0, frames, actions, states, robot, tasks=tasks)


def spawnnet(root: Path) -> Built:
    h5py = pytest.importorskip("h5py", reason="python -m pip install -e .[data]")
    frames, actions, proprio = images(2), numbers(8), numbers(7, 1)
    for number, length in enumerate(LENGTHS):
        path = root / "none" / "train" / f"{number}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            trajectory = file.create_group("traj_0")
            trajectory["obs/rgb"] = frames[number].transpose(0, 1, 4, 2, 3)
            trajectory["obs/depth"] = np.zeros((length, 2, 1, SIDE, SIDE), np.float32)
            trajectory["obs/state"], trajectory["actions"] = proprio[number], actions[number]
    return Built(root, "hdf5", ("rgb_0", "rgb_1"), None, frames, actions, None, proprio)


# --------------------------------------------------------------------------------------------------------------- folder


def folder_of_images(root: Path) -> Built:
    frames, actions, states, proprio = images(2), numbers(3), numbers(2, 1), numbers(4, 2)
    for number, episode in enumerate(frames):
        place = root / f"episode_{number:03d}"
        for view, name in enumerate(("front", "side")):
            (place / name).mkdir(parents=True)
            for step, frame in enumerate(episode[:, view]):
                (place / name / f"{step:05d}.png").write_bytes(png(frame))
        np.savez(place / "data.npz", actions=actions[number], states=states[number], proprio=proprio[number])
    meaning = {"representation": "delta", "gripper": "1 closes", "units": "metres"}
    (root / "recording.json").write_text(json.dumps({"hz": 5, "actions": meaning}))
    return Built(root, "folder", ("front", "side"), 5.0, frames, actions, states, proprio)


def folder_of_videos(root: Path) -> Built:
    frames, actions = images(1), numbers(3)
    for number, episode in enumerate(frames):
        write_video(root / f"{number}.mp4", episode[:, 0], 8)
        np.savez(root / f"{number}.npz", actions=actions[number])
    return Built(root, "folder", ("camera",), 8.0, frames, actions, lossless=False)


def demonstrations(root: Path) -> Built:
    """As `data make` leaves them."""
    frames, actions, states, proprio = images(2), numbers(3), numbers(2, 1), numbers(4, 2)
    meaning = ActionSpec((-1.0,) * 3, (1.0,) * 3, ("x", "y", "gripper"), "delta", units="metres", gripper="0 opens, 1 closes")
    writer = DemosWriter(root, DataSpec("toy", ("front", "side"), SIDE, 3, 4, 2, 5.0, meaning))
    tasks = [f"task {number}" for number in range(len(LENGTHS))]
    for number, task in enumerate(tasks):
        writer.add(Episode(frames[number], actions[number], states[number], proprio[number], {"task": task}))
    writer.finish()
    return Built(root, "demonstrations", ("front", "side"), 5.0, frames, actions, states, proprio, tasks=tasks)


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
