"""What a visitor should know before using the page."""

INTRODUCTION = """
# Reenact
Give a portrait the pose and expression of another photo, or the motion of a clip.
Use pictures of yourself, or of people who agreed to it.
"""

ABOUT = """
**What it does.** A *source* is redrawn with the pose and expression of a *driving* picture or clip. Who it is, its
hair, clothes and background stay. The networks run on this server; they are small, were trained by this project, and
their model cards say on what.

**What it is for.** Films, games, teaching, research, animating portraits of your own.

**What it is not for.** Showing real people saying or doing what they did not, without their consent; passing a result
off as a recording; getting past an identity check. Say that a result is synthetic when you show it: result files carry
that remark in their metadata.

**What is kept.** Nothing. Uploads and results lie in a temporary folder, so that you can look at them and download
them, and are deleted within an hour and a half. No history, no statistics, no training on your pictures.

**What works well.** A face of 100 pixels or more, well lit, turned by less than about 45 degrees in source and driving;
in the large-pose mode, where the page offers it, up to a profile. Teeth, the far side of strong turns, and hair that
the source does not show are guesses.

**From a program.** The link *Use via API* below shows how to call this page with `gradio_client`; the same functions
are `reenact image`, `reenact video`, `reenact edit` and `reenact turn` on the command line. To show the page inside
another, use an `iframe` with `allow="camera; microphone; autoplay; clipboard-write"`; without it the webcam stays off.
"""
