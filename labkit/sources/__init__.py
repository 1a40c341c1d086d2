"""Where readings come from: this machine live, a recording, a simulated fleet."""

__all__ = ["feed", "fleet", "live", "recording", "scenario", "simulator"]
