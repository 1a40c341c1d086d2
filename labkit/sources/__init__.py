"""Where readings come from: this machine live, a recording, a simulated fleet."""

__all__ = ["arrivals", "clock", "feed", "fleet", "live", "recording", "scenario", "simulated", "simulator"]
