"""Verify tab: whether a file was made with this program."""

from typing import Any

import gradio as gr

from reenact.space.widgets.answers import errors_as_messages
from reenact.space.widgets.inputs import given_file
from reenact.space.widgets.problems import Problems, clear_first
from reenact.space.widgets.remembered import Remembered

_QUEUE: dict[str, Any] = {"concurrency_id": "verify", "concurrency_limit": 1}
_HINT = (
    "A picture or a clip. Marks that were removed are not found, so that a file without any may be made with it, too."
)


class VerifyTab:
    """The handler of ``/verify``, and its components."""

    def __init__(self) -> None:
        self._problems = Problems()

    def verify(self, file: str | None) -> dict[str, Any]:
        """Say whether a picture or clip was made with this program, and how sure that is.

        Args:
            file: Picture or clip; of a clip, its first minute is looked at.

        Returns:
            Findings: {"file", "verdict" (one sentence), "metadata": {"text", "digital_source_type"}, "watermark":
            {"found", "score", "false_alarm_rate"}, "c2pa": {"state", "claimed_by"}}.
        """
        return self._find(file).as_dict()

    def show(self, file: str | None) -> str:
        """The same for the tab, in words."""
        found = self._find(file)
        return "\n".join([f"**{found.verdict}**", "", *(f"- {line}" for line in found.lines())])

    def _find(self, file: str | None) -> Any:
        file = given_file(file, "file", advice="give one")
        with errors_as_messages({file: "the file"}):
            from reenact.pipeline.verify import verify

            return verify(file)

    def build(self) -> Remembered:
        """Create and connect the components; inside a `gr.Tab`. Returns what a refresh keeps."""
        with gr.Row(equal_height=False):
            with gr.Column():
                file = gr.File(label="File to verify", height=160)
                gr.Markdown(_HINT)
                run = gr.Button("Verify", variant="primary", size="lg")
            with gr.Column():
                shown = gr.Markdown(label="Findings", min_height=160, container=True)
        clear_first(run.click, shown)
        ran = run.click(self._problems.kept(self.show), file, shown, api_visibility="private", **_QUEUE)
        self._problems.show(ran, shown)
        call, found = gr.Button("Verify", visible=False), gr.JSON(label="Findings", visible=False)
        call.click(self.verify, file, found, api_name="verify", **_QUEUE)
        return Remembered("verify", [file, shown])
