"""What the numbers of a training run are called where people read them."""

import re

NAMES = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "l1": "L1",
    "lpips": "LPIPS",
    "akd": "landmark error (AKD), px",
    "mesh_percent": "mesh error, % of the eye distance, yaw below 30 degrees",
    "mesh_percent_turned": "mesh error, % of the eye distance, yaw of 30 degrees and more",
    "mesh3d_percent": "mesh error in 3-D, % of the eye distance, yaw below 30 degrees",
    "mesh3d_percent_turned": "mesh error in 3-D, % of the eye distance, yaw of 30 degrees and more",
    "rotation_deg": "rotation error, degrees",
    "rotation_deg_turned": "rotation error, degrees, yaw of 30 degrees and more",
    "blendshape_correlation": "blendshape correlation",
    "portraits_recall": "portraits found, share",
    "portraits_mean_iou": "mean IoU of the boxes",
    "portraits_other_faces": "other faces reported per portrait",
    "turned_recall": "turned heads found, share",
    "canvas_recall": "portraits found in a larger picture, share",
    "scenes_recall_10_20": "faces of 10 to 20 px found, share",
    "scenes_recall_20_40": "faces of 20 to 40 px found, share",
    "scenes_recall_40_up": "faces of 40 px and more found, share",
    "scenes_false_alarms": "false alarms per scene",
    "faceless_alarm_share": "pictures without a face in which one is reported, share",
    "cosine_to_teacher": "cosine to the teacher",
    "cosine_to_teacher_stills": "cosine to the teacher, stills",
    "same_mean": "mean similarity of two pictures of one person",
    "different_mean": "mean similarity of two people",
    "roc_auc": "area under the ROC curve",
    "equal_error": "equal error rate",
    "iou_background": "IoU, background",
    "iou_face": "IoU, face",
    "iou_hair": "IoU, hair",
    "iou_clothes": "IoU, clothes",
    "iou_skin": "IoU, other skin",
    "iou_mean": "IoU, mean of the classes",
    "iou_head": "IoU, head",
    "iou_head_stills": "IoU, head, stills",
    "iou_person": "IoU, person",
    "pixel_accuracy": "pixels right, share",
    "residual_percent": "part of the mesh left unexplained, % of the eye distance",
}
"""Of results; anything else is called by its key."""

COUNTS = {
    "portraits",
    "turned_frames",
    "turned_count",
    "scenes_faces_10_20",
    "scenes_faces_20_40",
    "scenes_faces_40_up",
    "faceless_pictures",
    "same_pairs",
    "different_pairs",
    "pictures",
    "pairs",
    "blendshapes_moving",
    "identity_std",
    "expression_std",
}
"""How much was measured, and checks of the fit: nothing to rank models by."""

_BASELINE = re.compile(
    r"^(?P<before>teacher)_(?P<a>.+)$|^(?P<b>.+)_(?P<after>copy|mesh_warp)$|^(?P<c>mean_shape)_percent$"
)
_BASELINE_NAMES = {"teacher": "of the teacher", "copy": "of a copy of the source", "mesh_warp": "of the mesh warp"}


def is_baseline(key: str) -> bool:
    """Whether the figure belongs to what the model is compared with."""
    return _BASELINE.match(key) is not None


def name_of(key: str) -> str:
    """The figure's name for people."""
    found = _BASELINE.match(key)
    if found and found["c"]:
        return "part of the mesh that the mean shape alone leaves unexplained, % of the eye distance"
    if found:
        of = _BASELINE_NAMES[found["before"] or found["after"]]
        return f"{name_of(found['a'] or found['b'])}, {of}"
    return NAMES.get(key, key.replace("_", " "))


def own_figures(validation: dict[str, float]) -> list[tuple[str, str, float]]:
    """Key, name and value of what was measured of the model itself: neither baselines nor counts."""
    return [
        (key, name_of(key), value) for key, value in validation.items() if key not in COUNTS and not is_baseline(key)
    ]


def table(validation: dict[str, float]) -> str:
    """All figures as a Markdown table."""
    rows = [f"| {name_of(key)} | {value:.4g} |" for key, value in validation.items()]
    return "\n".join(["| figure | value |", "|---|---|", *rows])
