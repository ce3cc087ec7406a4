"""The commands: one file each, named after its command, with a function `command`."""
