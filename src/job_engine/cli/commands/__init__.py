"""The commands, one file each: a file `NAME.py` has the command `NAME`."""
