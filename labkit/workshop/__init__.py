"""The workshop around the pipeline: lessons, exercises and their checks, pictures, the learner's folder."""
