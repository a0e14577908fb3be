"""What the benches are made of: processes, clients, engines, numbers."""
