"""The program of the child: it runs a student's file, and answers `forward` and `backward` with arrays.

It is started as `python -I -S FOLDER` and imports the standard library and NumPy alone; the parent shares `messages`.
"""
