"""The actions that every executor has, one file each."""
