"""Actions: what authors write, how it is loaded, and how one attempt of it runs. Import from the modules."""
