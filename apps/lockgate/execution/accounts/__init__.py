"""What a run writes about itself: its row, how it begins and ends, and the level that it has reached."""
