"""Model classes of a run's states, rendered when somebody asks for them, and no more of them than that takes."""
