"""What a target accepts: sizes that are checked before a model is rewritten for it."""
