"""Names of the figures that training runs measure, for model cards."""

import re

NAMES = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "l1": "L1",
    "lpips": "LPIPS",
    "csim": "identity similarity (CSIM)",
    "akd_px": "landmark error (AKD), px",
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
"""Names of measured figures; any other figure is called by its key."""
_COUNT = re.compile(r"(^|_)(portraits|count|pictures|pairs|frames|std|moving)$|^scenes_faces_")
"""How much was measured: not results."""
_BASELINES = {
    "teacher_(.+)": "of the teacher",
    "(.+)_copy": "of a copy of the source",
    "(.+)_mesh_warp": "of the mesh warp",
}
"""Figures of what the model is compared with."""


def figure_name(key: str) -> str:
    """A figure's name for readers."""
    return _baseline_name(key) or NAMES.get(key, key.replace("_", " "))


def _baseline_name(key: str) -> str | None:
    if key == "mean_shape_percent":
        return "part of the mesh that the mean shape alone leaves unexplained, % of the eye distance"
    found = ((re.fullmatch(pattern, key), of) for pattern, of in _BASELINES.items())
    return next((f"{figure_name(match[1])}, {of}" for match, of in found if match), None)


def own_figures(validation: dict[str, float]) -> list[tuple[str, str, float]]:
    """Key, name and value of the model's own results, without baselines and counts."""
    return [
        (key, figure_name(key), value)
        for key, value in validation.items()
        if not _COUNT.search(key) and _baseline_name(key) is None
    ]
