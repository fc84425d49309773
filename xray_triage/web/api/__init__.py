"""What programs and scripts of the page ask for: JSON, events, pictures, health and metrics."""
