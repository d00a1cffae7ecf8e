"""Every matting network that `--model` may name: how it is built, and where its weights come from.

The weights of others are never shipped and never fetched unasked: this table says where their
authors publish them and under which terms. Building imports torch; reading the table does not.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

    Build = Callable[[Mapping[str, Tensor]], nn.Module]

WEIGHTS_FOLDER = Path(__file__).resolve().parent.parent / "weights"


@dataclass(frozen=True, slots=True)
class Model:
    """One line of the table.

    name: what `--model` takes.
    build: the network into which a given state dict fits, with random weights.
    files: names under which the official weights are published; the first is the one at `url`.
    url: direct download, None where there is none (page says where to get the file by hand).
    sha256: of the file at `url`; None where the authors publish none (what was first fetched is kept).
    licence: of the weights, as their authors state it; licence_url: its text.
    page: the authors' page.
    needs_plate: gives nothing useful without a picture of the empty room.
    bundled: ships with cleanplate; all others ask for their licence before the first use.
    note: one sentence for `models list`.
    """

    name: str
    build: Build
    files: tuple[str, ...]
    url: str | None
    licence: str
    licence_url: str
    page: str
    needs_plate: bool
    note: str
    sha256: str | None = None
    bundled: bool = False


def _platenet(state: Mapping[str, Tensor]) -> nn.Module:
    from core.nets.platenet import PlateNet

    return PlateNet()


def _rvm(backbone: str) -> Build:
    def build(state: Mapping[str, Tensor]) -> nn.Module:
        from core.nets.rvm import build_rvm

        # The .pth files hold the learned filter; the authors' browser release has none.
        learned = any(key.startswith("refiner.") for key in state)
        return build_rvm(backbone, "deep_guided_filter" if learned else "fast_guided_filter")

    return build


def _bgmv2(backbone: str) -> Build:
    def build(state: Mapping[str, Tensor]) -> nn.Module:
        from core.nets.bgmv2 import MattingRefine

        return MattingRefine(backbone)

    return build


def _bgm2020(state: Mapping[str, Tensor]) -> nn.Module:
    from core.nets.bgm2020 import PUBLISHED_WIDTH, BackgroundMatting2020

    stem = state.get("model_enc1.1.weight")
    return BackgroundMatting2020(PUBLISHED_WIDTH if stem is None else stem.shape[0])


_RVM_RELEASE = "https://github.com/PeterL1n/RobustVideoMatting/releases/download/v1.0.0/"
_RVM_PAGE = "https://github.com/PeterL1n/RobustVideoMatting"
_V2_RELEASE = "https://github.com/PeterL1n/BackgroundMattingV2/releases/download/v1.0.0/"
_V2_PAGE = "https://github.com/PeterL1n/BackgroundMattingV2"
_BGM_FOLDER = "https://drive.google.com/drive/folders/1WLDBC_Q-cA72QC8bB-Rdj53UB2vSPnXv"


def _rvm_model(backbone: str, note: str) -> Model:
    stem = f"rvm_{backbone}"
    return Model(
        name=stem.replace("_", "-"),
        build=_rvm(backbone),
        files=(f"{stem}.pth", f"{stem}_fp32.torchscript", f"{stem}_fp16.torchscript"),
        url=_RVM_RELEASE + f"{stem}.pth",
        licence="GPL-3.0",
        licence_url="https://www.gnu.org/licenses/gpl-3.0.html",
        page=_RVM_PAGE,
        needs_plate=False,
        note=note,
    )


def _bgmv2_model(backbone: str, file: str, note: str) -> Model:
    others = (
        f"pytorch_{backbone}.pth",
        f"torchscript_{backbone}_fp32.pth",
        f"torchscript_{backbone}_fp16.pth",
    )
    return Model(
        name=f"bgmv2-{backbone}",
        build=_bgmv2(backbone),
        files=(file, *(other for other in others if other != file)),
        url=_V2_RELEASE + file,
        licence="MIT",
        licence_url=_V2_PAGE + "/blob/master/LICENSE",
        page=_V2_PAGE,
        needs_plate=True,
        note=note,
    )


MODELS = {
    model.name: model
    for model in (
        Model(
            name="platenet",
            build=_platenet,
            files=("platenet.safetensors",),
            url=None,
            licence="MIT",
            licence_url="LICENSE",
            page="core/weights/MODEL_CARD.md",
            needs_plate=False,
            note="cleanplate's own; with, with part of, or without a plate",
            bundled=True,
        ),
        _rvm_model("mobilenetv3", "Robust Video Matting: no plate, memory over frames"),
        _rvm_model("resnet50", "the same, larger: a GPU is advised"),
        _bgmv2_model(
            "mobilenetv2", "torchscript_mobilenetv2_fp32.pth", "Background Matting V2: needs a plate"
        ),
        _bgmv2_model("resnet50", "pytorch_resnet50.pth", "the same, larger: a GPU is advised"),
        _bgmv2_model("resnet101", "pytorch_resnet101.pth", "the largest: a GPU is advised"),
        Model(
            name="bgm2020",
            build=_bgm2020,
            files=("netG_epoch_12.pth", "netG_epoch_64.pth", "net_epoch_64.pth"),
            url=None,
            licence="CC BY-NC-SA 4.0 (not for commercial use)",
            licence_url="https://creativecommons.org/licenses/by-nc-sa/4.0/legalcode",
            page=_BGM_FOLDER,
            needs_plate=True,
            note="Background Matting (2020): needs a plate; 512x512, seconds a frame without a GPU",
        ),
    )
}


def find_model(name: str) -> Model:
    """The line of that name. WeightsError with the nearest name for an unknown one."""
    if name in MODELS:
        return MODELS[name]
    near = difflib.get_close_matches(name, MODELS, n=1)
    hint = f"; did you mean {near[0]}?" if near else ";"
    raise WeightsError(f"there is no model {name!r}{hint} choose one of {', '.join(MODELS)}")


def load_model(name: str, path: Path) -> nn.Module:
    """The network of that name with the weights of a file, in evaluation mode, float32, on the CPU.

    Raises:
        WeightsError: unknown name, or a file that is missing, damaged or of another network.
    """
    from core.nets.weights import load_strictly, read_state_dict

    model = find_model(name)
    state = read_state_dict(path)
    net = model.build(state)
    load_strictly(net, state, f"{path.name} for {name}")
    return net.eval()
