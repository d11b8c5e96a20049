"""What pyproject.toml cannot say: the wheel carries checkpoints, as ``reenact/checkpoints``, and motion templates."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["reenact", "reenact.*"]), "reenact.checkpoints"],
    package_dir={"reenact.checkpoints": "checkpoints"},
    package_data={
        "reenact.checkpoints": ["**/README.md", "**/config.json", "**/model.safetensors"],
        "reenact.pipeline.motions": ["library/*.safetensors"],
    },
)
