"""What a visitor should know before using the page."""

CONSENT = "Use pictures of yourself, or of people who agreed to it."

INTRODUCTION = f"""
# Reenact
Give a portrait the pose and expression of another photo, or the motion of a clip.
{CONSENT}
"""

ABOUT = """
**What it does.** A *source* portrait is redrawn with the pose and expression of a *driving* picture or clip. Identity,
hair, clothes and background are kept. The networks run on this server. They are small, were trained by this project,
and their model cards describe the training data.

**Intended use.** Films, games, teaching, research, animating your own portraits.

**Not intended.** Showing real people saying or doing what they did not, without their consent; presenting a result as
a recording; passing an identity check. Say that a result is synthetic when you show it. Result files carry this remark
in their metadata, and where the host wants it an invisible watermark; the tab *Verify* finds both.

**Privacy.** Nothing is kept. Uploads and results lie in a temporary folder so that you can view and download them, and
are deleted within the hour. Your browser remembers your settings until its window is closed. No history, no
statistics, no training on your pictures.

**What works well.** A well-lit face of 100 pixels or more, turned by less than about 45 degrees in source and driving;
with the Dual Generator, where the page offers it, up to a profile. Teeth, the far side of strongly turned heads, and
hair that the source does not show are guessed.

**The example portraits** are of nobody: an image generator made them (CC0). The exception is the
astronaut, Eileen Collins, by NASA (public domain).

**In other pages and from programs.** The panel *Embed* below a tab prints code with the tab's present settings: a link,
an `iframe`, a web component, and calls from Python, JavaScript and the command line. The link *Use via API* lists all
endpoints and parameters.

**On your own computer.** Weights on the Hugging Face Hub are loaded by name, and so is every folder that `hf download`
fetched:
```python
import reenact

engine = reenact.load_engine(checkpoint="your-name/reenact-correspondence@main")  # or a folder
result = reenact.reenact_image("portrait.jpg", "driving.jpg", system=engine)
```
```sh
hf download your-name/reenact-correspondence --local-dir faces
reenact video portrait.jpg clip.mp4 -o result.mp4 --checkpoint faces
```
"""
