"""What pytest does not look into: scripts that train when they are imported."""

collect_ignore = ["scripts", "__main__.py"]
