"""What runs in the sandbox, alone: none of it knows what is right, or is to be trusted."""
