"""What is known before anything runs, and what follows from it: reported, or refused."""
