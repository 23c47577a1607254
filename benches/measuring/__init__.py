"""What `benches/targets.py` is made of; see the modules."""
