"""What people and machines read: lines, JSON, plans, hazards, pages of rules."""
