"""What the pytest plugin does, one file for each of its offers; loaded when one is used."""
