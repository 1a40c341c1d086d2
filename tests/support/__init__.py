"""What several tests need; no test imports from another test."""
