"""The judge: confirms what an engine says, in exact arithmetic, and finds what the engine lost."""
