"""Where results come from: metadata, an invisible watermark, a visible label and a signed manifest (C2PA).

The writers of `reenact.media` add them to files; `reenact.pipeline.verify` finds them again.
"""
