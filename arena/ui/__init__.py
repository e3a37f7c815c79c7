"""The pages. Gradio is imported here and nowhere else."""
