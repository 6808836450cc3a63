"""The columns of the four frames that results are made of, named once: records, cells, curves and spectra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Field:
    """A column: what its values are, and what an empty field of a CSV file means in a column of text."""

    name: str
    type: Literal["text", "number", "flag"] = "number"
    empty: str | None = None


def names(fields: tuple[Field, ...]) -> list[str]:
    return [field.name for field in fields]


_ENCODER = (Field("env", "text"), Field("method", "text"), Field("variant", "text", ""), Field("seed"))
_IDENTITY = (*_ENCODER[:3], Field("policy", "text"), _ENCODER[3])
_STATUS = (Field("status", "text"), Field("reason", "text"))
_SETTING = (  # of what was planned, done or not
    Field("preset", "text"),
    Field("privileged", "flag"),  # the ceiling: sees the simulator state
    Field("floor", "flag"),  # never trained, and what every other row must rise above
    Field("untrained", "flag"),  # never trained: the floor, and random networks of other kinds
    Field("env_title", "text"),
    Field("policy_title", "text"),
    Field("metric", "text"),
    Field("metric_low"),
    Field("metric_high"),
    Field("state_target"),  # what the ceiling must reach before encoders are compared
    Field("checkpoint", "text"),
    Field("demonstrations", "text"),
    Field("starts", "text"),
    Field("goal", "text"),
    Field("visual_shift", "text", ""),
    Field("departures", "text", ""),  # from the paper's recipe, '; ' between them
)
_COST = (  # exist once a cell is done
    Field("demonstrator_score"),  # mean over the demonstrations
    Field("frames_seen"),
    Field("finetuned", "flag"),  # its policy went on to train the encoder
    Field("computed_with", "text", ""),  # arithmetic and precisions, '; ' between them
    Field("not_learned", "text"),  # why its pretraining cannot have taught it anything
    Field("gradient_steps"),
    Field("pretrain_params"),
    Field("encoder", "text", ""),  # the network and what it does to frames
    Field("encoder_params"),
    Field("pretrain_seconds"),
    Field("encoder_gflops"),
    Field("encoder_ms"),
    Field("policy_ms"),
    Field("wall_seconds"),
)
_FEATURES = (  # say nothing of an encoder that its policy went on to train
    Field("effective_rank"),
    Field("feature_std"),
    Field("probe_linear"),
    Field("probe_nn"),
    Field("collapsed", "flag"),
)
_REASON = Field("collapse_reason", "text")
_EPISODE = (
    Field("episode"),
    Field("episode_seed"),
    Field("score"),
    Field("steps"),
    Field("crashed", "flag"),
    Field("error", "text"),
)

RECORD_FIELDS = (*_IDENTITY, *_EPISODE)  # and metric/NAME, metric/task/NAME
CELL_FIELDS = (*_IDENTITY, *_STATUS, *_SETTING, *_COST, Field("feature_dim"), *_FEATURES, _REASON)
CURVE_FIELDS = (*_ENCODER, Field("step"), Field("name", "text"), Field("value"))
SPECTRUM_FIELDS = (*_ENCODER, Field("index"), Field("value"))

ENCODER = names(_ENCODER)  # what names an encoder
IDENTITY = names(_IDENTITY)  # what names a cell
RECORD_COLUMNS = names(RECORD_FIELDS)
CELL_COLUMNS = names(CELL_FIELDS)
CURVES = names(CURVE_FIELDS)
SPECTRA = names(SPECTRUM_FIELDS)
FEATURES = names(_FEATURES)
MEASURED = [*(field.name for field in _COST if field.type == "number"), "feature_dim", *FEATURES]
