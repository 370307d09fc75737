"""Tables and figures of a network that is measured while it is trained."""
