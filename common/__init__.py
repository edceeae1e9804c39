"""What the processes have in common: settings, logs, metrics, and what they ask of the operating system."""
