"""What is remembered: contestants, battles, turns, votes. Knows nothing of Gradio, torch or ratings."""
